"""Answers of the pipeline of transformers 4, in JSON: python question_answering_peer.py FOLDER_OF_TRANSFORMERS"""

import json
import sys

if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    import transformers

    assert transformers.__version__.startswith("4.")
    question = json.load(sys.stdin)
    answers = {}
    for folder in question["folders"]:
        pipe = transformers.pipeline("question-answering", model=folder, device=-1)
        answers[folder] = [pipe(**call) for call in question["calls"]]
    print(json.dumps(answers))
