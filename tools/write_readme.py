"""Write the parts of README.md that are measured: the code's real output, the agreement, the speed.

    python tools/write_readme.py [--check]

Between `<!-- name -->` and `<!-- /name -->` stands what the function of that name returned. Makes the full-size
synthetic model in a temporary folder and compares with onnxruntime; about a minute.
"""
