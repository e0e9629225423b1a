"""Tiny encoders as ``save_pretrained`` writes them, and the text sets in their layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WORDS = "i am so happy sad angry afraid today what a day nothing worries me my rent is due".split()
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *"abcdefghijklmnopqrstuvwxyz",
          *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"), "!", ".", ","]  # fmt: skip


def configured(family: str) -> Any:
    """Return a random encoder of a family, with a layer norm that is not BERT's own."""
    import torch
    import transformers

    torch.manual_seed(3)
    size = len(set(PIECES))
    if family == "distilbert":
        return transformers.DistilBertModel(transformers.DistilBertConfig(
            vocab_size=size, dim=48, n_layers=3, n_heads=4, hidden_dim=96,
            max_position_embeddings=40,
        ))  # fmt: skip
    kind = {"bert": "Bert", "roberta": "Roberta", "electra": "Electra"}[family]
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=size, hidden_size=48, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=96, max_position_embeddings=40, layer_norm_eps=1e-5,
    )  # fmt: skip
    return getattr(transformers, f"{kind}Model")(config)


def saved_encoder(family: str, folder: Path) -> Any:
    """Write a random encoder and its tokenizer as ``save_pretrained`` does."""
    import transformers

    model = configured(family).eval()
    model.save_pretrained(folder)
    pieces = folder / "vocab.txt"
    pieces.write_text("\n".join(dict.fromkeys(PIECES)), encoding="utf-8")
    transformers.BertTokenizerFast(vocab=str(pieces)).save_pretrained(folder)
    return model


def text_corpora(folder: Path) -> Path:
    """Write GoEmotions, MELD and Dreaddit in their layouts, a dozen lines each."""
    lines = {"i am so happy today!": 3, "i am angry": 0, "i am sad": 5, "what a day": 4}
    go = folder / "goemotions" / "original"
    go.mkdir(parents=True)
    for split in ("train", "dev"):
        rows = [f"{text}\t{(17, 2, 25, 27)[i % 4]}\t{split}{n}{i}"
                for n in range(4) for i, text in enumerate(lines)]  # fmt: skip
        (go / f"{split}.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    meld = folder / "meld"
    meld.mkdir()
    names = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
    for split in ("train", "dev"):
        head = "Utterance,Speaker,Emotion,Dialogue_ID\n"
        body = "".join(
            f"{list(lines)[i % 4]},{'ABCDEF'[i % 6]},{name},{i}\n"
            for i, name in enumerate(names * 2)
        )
        (meld / f"{split}_sent_emo.csv").write_text(head + body, encoding="utf-8")
    dreaddit = folder / "dreaddit"
    dreaddit.mkdir()
    told = "".join(f"{'my rent is due' if i % 2 else 'nothing worries me'},{i % 2},p{i}\n"
                   for i in range(40))  # fmt: skip
    (dreaddit / "dreaddit-train.csv").write_text("text,label,post_id\n" + told, encoding="utf-8")
    return folder
