"""A chat model with random weights, small enough for a test: `python -m tests.offline.tiny_model FOLDER`.

A Llama of two layers, a byte-level tokenizer trained on a few sentences, a chat template. vLLM loads it like any other. What
it says is noise: it is for formats, constraints, resuming and provenance. Needs torch, transformers and tokenizers.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

SENTENCES = [
    "日本の首都は東京です。富士山の高さは三七七六メートルです。",
    "次の質問に答えてください。理由も述べてください。",
    "こんにちは。今日はよい天気ですね。散歩に行きましょう。",
    "正確性: [[4]] 流暢性: [[5]] 詳細性: [[3]] 関連性: [[4]] 総合評価: [[4]]",
    "Please answer the question below. Explain your reasons first.",
    "The capital of Japan is Tokyo. It is a large city by the sea.",
    '{"accuracy": {"reason": "It is true.", "score": 4}}',
    "def double(x):\n    return 2 * x\n",
]
PAD, BEGIN, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
TEMPLATE = (
    "{%- for message in messages -%}{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' -}}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)


def make(folder: Path, *, longest: int = 8192, seed: int = 0) -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = Tokenizer(models.BPE())
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1024, min_frequency=1, special_tokens=[PAD, BEGIN, END], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    letters.train_from_iterator(SENTENCES, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=letters, pad_token=PAD, bos_token=BEGIN, eos_token=END, model_max_length=longest
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(str(folder))

    ends = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=-(-len(tokenizer) // 64) * 64, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=2,  # heads of 32, the smallest that vLLM's attention on CPUs takes
            max_position_embeddings=longest, tie_word_embeddings=False, dtype="float32", **ends,
        )
    )  # fmt: skip
    model.generation_config = GenerationConfig(**ends)
    model.save_pretrained(str(folder))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
