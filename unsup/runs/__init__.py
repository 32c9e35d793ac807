"""What a run is: configuration, folder, checkpoint, and the objects built from them."""
