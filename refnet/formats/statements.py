"""What a file that refnet has written says of itself: statements by names that begin with ``refnet.``.

ONNX files keep them in ``metadata_props``, OpenVINO's in ``rt_info``. Their meaning is not known here.
"""

METADATA = "refnet."
CONVERTED_BY = "refnet.converted_by"
CONVERTED_FROM = "refnet.converted_from"
CONVERTED_FROM_SHA256 = "refnet.converted_from_sha256"
WEIGHTS_SHA256 = "weights_sha256"  # of an OpenVINO model's .bin: an attribute of <net>, which other writers leave out
