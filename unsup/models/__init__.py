"""One file a method. A method's name is its file's stem; `configs/model/<stem>.yaml` is its recipe."""
