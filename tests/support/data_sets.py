"""Data sets for tests."""


class Texts:
    """A data set like those of torch: a length and items, and no IndexError at its end."""

    def __init__(self, texts):
        self.texts = texts

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, index):
        return self.texts[index % len(self.texts)]
