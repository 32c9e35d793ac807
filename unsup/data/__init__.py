"""One file a source of images; `configs/data/<name>.yaml` names the class and its options."""
