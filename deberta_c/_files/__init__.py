"""Files of a model directory: JSON, safetensors, torch files, the hub, atomic saving."""
