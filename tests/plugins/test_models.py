"""The models: OpenAI's by name, files in their format, and the bundled one."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import warnings
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from clipig_clip import NAMES, named
from clipig_clip.checkpoint import checkpoint
from clipig_clip.emoji import EmojiEncoder, emoji, emoji_things, names
from clipig_clip.encoder import CLIP, MEAN, STD, ClipEncoder, clip, rebuild
from clipig_clip.traits import OPENAI
from clipig_core import InputError, RunError
from clipig_core.config.check import check
from clipig_core.downloads import FetchError
from clipig_core.engine.run import Run
from clipig_core.extension.registry import Registry
from clipig_core.language.yaml import read_yaml

CPU = torch.device("cpu")
TINY = (32, 64, 3, 128, 32, 12, 49408, 64, 1, 1)  # a ViT: 64x64 pixels, 12 tokens
TINY_RESNET = (32, 64, (1, 1, 1, 1), 8, None, 12, 49408, 64, 1, 1)
MANY_TOKENS = (32, 64, 3, 128, 4, 12, 49408, 64, 1, 1)
architectures = pytest.mark.parametrize("sizes", [TINY, MANY_TOKENS, TINY_RESNET], ids=["ViT", "many tokens", "RN"])


@pytest.fixture(scope="module")
def bundled() -> EmojiEncoder:
    return emoji("emoji", CPU, torch.float32)


@pytest.fixture
def tiny() -> CLIP:
    return model_of(TINY)


def model_of(sizes: tuple[Any, ...]) -> CLIP:
    """A model of random weights, in which no layer passes on what it gets, as new ones do."""
    torch.manual_seed(0)
    model = CLIP(*sizes).eval().requires_grad_(False)
    for name, tensor in model.visual.state_dict().items():
        if tensor.dim() == 1:
            tensor.add_(torch.rand_like(tensor) if name.endswith("var") else 0.2 * torch.randn_like(tensor))
    return model


def similarity(encoder: ClipEncoder, one: str, other: str) -> float:
    first, second = encoder.encode_text([one, other])
    return float(torch.cosine_similarity(first, second, dim=0))


def test_the_names_are_those_of_clip() -> None:
    assert list(NAMES) == clip.available_models()


def test_the_bundled_weights_are_small() -> None:
    assert (files("clipig_clip") / "emoji.safetensors").stat().st_size < 15_000_000  # type: ignore[attr-defined]


def test_the_bundled_model_tells_things_apart(bundled: EmojiEncoder) -> None:
    assert bundled.image_size == 64
    assert similarity(bundled, "strawberry", "a photo of a strawberry") > 0.9
    assert similarity(bundled, "strawberry", "octopus") < 0.5
    assert similarity(bundled, "key on a red background", "key on a blue background") < 0.98


def test_the_bundled_model_sees_colours(bundled: EmojiEncoder) -> None:
    red = torch.tensor([0.9, 0.1, 0.1])[:, None, None].expand(1, 3, 64, 64)
    words = ["star on a red background", "star on a green background"]
    match = torch.cosine_similarity(bundled.encode_image(red), bundled.encode_text(words))
    assert match[0] > match[1]


def test_gradients_reach_the_image_and_no_weight(bundled: EmojiEncoder) -> None:
    image = torch.full((1, 3, 64, 64), 0.5, requires_grad=True)
    bundled.encode_image(image).sum().backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for part in (bundled.text, bundled.tower) for parameter in part.parameters())


def test_words_that_the_model_never_saw_are_named(bundled: EmojiEncoder, caplog: pytest.LogCaptureFixture) -> None:
    bundled.encode_text(["a strawberry in baroque chiaroscuro"])
    assert caplog.messages == ["the emoji model does not know: baroque, chiaroscuro"]


def test_signs_around_words_do_not_count(bundled: EmojiEncoder) -> None:
    plain, *same = bundled.encode_text(["red fox", '"red fox"', "@red: fox!", "  red\u2026 fox "])
    assert all(torch.equal(plain, one) for one in same)
    with pytest.raises(InputError, match=r"none of these words: \?!"):
        bundled.encode_text(["?!"])


def test_everyday_words_that_several_emoji_share_stand_for_one_of_them(bundled: EmojiEncoder) -> None:
    things = emoji_things("emoji-things", CPU, torch.float32)
    assert {"cup", "orange", "clock", "beagle"} <= things.names.keys()
    assert not things.names.keys() & {name.lower() for name in things.names.values()}
    cups = ["cup", "a Cup", "the  cup", "cup.", '"cup"!', "cups"]
    first, *same, other = things.encode_text(["hot beverage", *cups, "a cup of gold"])
    assert all(torch.equal(first, one) for one in same)
    assert not torch.allclose(first, other, atol=0.1)
    assert torch.equal(things.encode_text(["fox"]), bundled.encode_text(["fox"]))
    assert not torch.allclose(things.encode_text(["cup"]), bundled.encode_text(["cup"]), atol=0.1)


def test_the_emoji_that_everyday_words_stand_for_are_known(
    bundled: EmojiEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    bundled.encode_text(sorted({*names().values()}))
    assert caplog.messages == []


def test_words_that_do_not_fit_are_named(tiny: CLIP, caplog: pytest.LogCaptureFixture) -> None:
    encoder = ClipEncoder(tiny, CPU, torch.float32)
    text = "one two three four five six seven eight nine ten eleven twelve"
    features = encoder.encode_text([text])
    assert caplog.messages == ["the text is too long for the model; these words do not count: eleven twelve"]
    assert torch.equal(features, encoder.encode_text(["one two three four five six seven eight nine ten"]))


def test_a_word_that_is_too_long_by_itself(tiny: CLIP, caplog: pytest.LogCaptureFixture) -> None:
    assert ClipEncoder(tiny, CPU, torch.float32).encode_text(["xyzzy" * 50]).isfinite().all()
    assert "is one word too long" in caplog.text


@architectures
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_checkpoint_keeps_its_numbers(tmp_path: Path, suffix: str, sizes: tuple[Any, ...]) -> None:
    model = model_of(sizes)
    path = tmp_path / f"tiny{suffix}"
    state = model.state_dict()
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    assert_same(checkpoint(str(path), CPU, torch.float32, "quickgelu"), model)


def test_what_happens_to_a_checkpoint_later_does_not_matter(tiny: CLIP, tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    save_file(tiny.state_dict(), path)
    encoder = checkpoint(str(path), CPU, torch.float32, "quickgelu")
    path.write_bytes(bytes(path.stat().st_size))
    assert_same(encoder, tiny)


def test_a_rebuilt_model_shares_nothing(tiny: CLIP) -> None:
    state = {name: tensor.clone() for name, tensor in tiny.state_dict().items()}
    model = rebuild(state, "test")
    for tensor in state.values():
        tensor.zero_()
    assert_same(ClipEncoder(model, CPU, torch.float32), tiny)


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("positional_embedding", lambda tensor: tensor[:1], "its context length is 1, and has to be at least 3"),
        ("token_embedding.weight", lambda tensor: tensor[:100], "its vocabulary is 100, and has to be at least 49408"),
        ("visual.positional_embedding", lambda tensor: tensor[:1], "its image size is 0"),
        ("visual.positional_embedding", lambda tensor: tensor[:0], ""),
        ("ln_final.weight", lambda tensor: tensor.to_sparse(), "'ln_final.weight' has no dense floating-point numbers"),
        ("ln_final.weight", lambda tensor: tensor.to("meta"), "no dense floating-point numbers"),
        ("ln_final.weight", lambda tensor: tensor.int(), "no dense floating-point numbers"),
        ("ln_final.weight", lambda tensor: tensor + 1j, "no dense floating-point numbers"),
        ("visual.proj", lambda tensor: tensor * math.nan, "'visual.proj' has numbers that are not finite"),
        ("visual.ln_pre.bias", lambda tensor: tensor[1:], "size mismatch for visual.ln_pre.bias"),
    ],
)
def test_weights_of_no_model_that_could_run(
    tiny: CLIP, name: str, change: Callable[[Tensor], Tensor], reason: str
) -> None:
    state = {**tiny.state_dict(), name: change(tiny.state_dict()[name])}
    with pytest.raises(InputError, match=f"'a.pt' does not hold a CLIP model in OpenAI's format: .*{reason}"):
        rebuild(state, "a.pt")


def test_a_model_without_image_layers(tiny: CLIP) -> None:
    state = {name: tensor for name, tensor in tiny.state_dict().items() if "visual.transformer" not in name}
    with pytest.raises(InputError, match="its number of image layers is 0"):
        rebuild(state, "a.pt")


def test_a_checkpoint_in_half_precision(tiny: CLIP, tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    save_file({name: tensor.half() for name, tensor in tiny.state_dict().items()}, path)
    rounded = copy.deepcopy(tiny).half().float()
    assert_same(checkpoint(str(path), CPU, torch.float32, "quickgelu"), rounded)


def test_a_named_model_is_read_from_the_torchscript_that_openai_published(
    tiny: CLIP, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ViT-B-32.pt"
    example = (torch.rand(2, 3, 64, 64), clip.tokenize(["a", "b"], context_length=12))
    with warnings.catch_warnings(action="ignore"):
        torch.jit.save(torch.jit.trace(tiny, example), path)
    monkeypatch.setattr(named, "locate", {"ViT-B/32": path}.__getitem__)
    assert_same(named.named("ViT-B/32", CPU, torch.float32), tiny)


def assert_same(encoder: ClipEncoder, model: CLIP) -> None:
    assert (encoder.image_size, encoder.context_length) == (64, 12)
    images, texts = torch.rand(2, 3, 64, 64), ["a strawberry", "a house by the sea"]
    pixels = (images - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    with torch.no_grad():
        torch.testing.assert_close(encoder.encode_image(images), model.encode_image(pixels))
        wanted = model.encode_text(clip.tokenize(texts, context_length=12))
    torch.testing.assert_close(encoder.encode_text(texts), wanted)


def open_clip(sizes: tuple[Any, ...], heads: int) -> CLIP:
    """A model that was trained as most of open_clip's are: with GELU, and with heads of its own."""
    model: Any = model_of(sizes)
    for tower in (model.visual.transformer, model.transformer):
        for block in tower.resblocks:
            block.mlp.gelu = torch.nn.GELU()
    for block in model.visual.transformer.resblocks:
        block.attn.num_heads, block.attn.head_dim = heads, block.attn.embed_dim // heads
    return cast(CLIP, model)


def config_of(folder: Path, **vision: object) -> None:
    config = {
        "model_cfg": {
            "vision_cfg": {"layers": 3, "width": 128, "patch_size": 32, "head_width": 32, **vision},
            "text_cfg": {"width": 64, "heads": 1},
        },
        "preprocess_cfg": {"mean": MEAN, "std": STD},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config))


def test_weights_that_do_not_say_how_they_compute_are_asked_about(tmp_path: Path) -> None:
    path = tmp_path / "own.pt"
    torch.save(model_of(TINY).state_dict(), path)
    with pytest.raises(InputError, match=r"does not say with which activation .*write 'model: {own.pt: {activation"):
        checkpoint(str(path), CPU, torch.float32)


def test_files_of_openai_say_it_by_what_stands_beside_the_weights(tmp_path: Path) -> None:
    model, path = model_of(TINY), tmp_path / "own.pt"
    torch.save(model.state_dict() | dict.fromkeys(OPENAI, torch.tensor(1)), path)
    assert_same(checkpoint(str(path), CPU, torch.float32), model)


@pytest.mark.parametrize("where", ["parameters", "metadata", "beside"])
def test_a_model_of_open_clip_computes_what_it_was_trained_to(tmp_path: Path, where: str) -> None:
    model, path = open_clip(TINY, heads=4), tmp_path / "own.safetensors"
    metadata = {"activation": "gelu", "heads": "4"} if where == "metadata" else {"format": "pt"}
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path, metadata)
    if where == "beside":
        config_of(tmp_path)
    more: dict[str, Any] = {"activation": "gelu", "heads": 4} if where == "parameters" else {}
    assert_same(checkpoint(str(path), CPU, torch.float32, **more), model)
    with pytest.raises(AssertionError, match="not close"):
        assert_same(checkpoint(str(path), CPU, torch.float32, "quickgelu"), model)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "JSONDecodeError"),
        ("[]", "TypeError"),
        ("{}", "KeyError: 'model_cfg'"),
        ('{"model_cfg": {"vision_cfg": {"ls_init_value": 0.1}, "text_cfg": {}}}', "with 'ls_init_value' is none"),
        ('{"model_cfg": {"vision_cfg": {"width": 64, "layers": 2, "head_width": 0}, "text_cfg": {}}}', "ZeroDivision"),
    ],
)
def test_a_config_beside_weights_that_says_nothing(tmp_path: Path, content: str, reason: str) -> None:
    torch.save(model_of(TINY).state_dict(), tmp_path / "own.pt")
    (tmp_path / "open_clip_config.json").write_text(content)
    with pytest.raises(InputError, match=reason):
        checkpoint(str(tmp_path / "own.pt"), CPU, torch.float32)


def test_heads_that_do_not_fit(tmp_path: Path) -> None:
    torch.save(model_of(TINY).state_dict(), tmp_path / "own.pt")
    with pytest.raises(InputError, match="128 channels cannot be shared by 7 heads"):
        checkpoint(str(tmp_path / "own.pt"), CPU, torch.float32, "gelu", 7)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\x80\x02}q\x00.", ""),
        (b"PK\x03\x04 and no more", "the file is damaged"),
        (b"\x00" * 8 + b"{}", ""),
        (b"e" * 40, ""),
        (bytes(range(256)), ""),
        (b"<html>not found</html>", ""),
    ],
)
def test_what_is_said_of_files_that_are_broken(tmp_path: Path, suffix: str, content: bytes, reason: str) -> None:
    path = tmp_path / f"own{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        checkpoint(str(path), CPU, torch.float32)
    text = str(raised.value).removeprefix(f"cannot read the model '{path}': ")
    assert reason in text or suffix == ".safetensors"
    assert text.startswith(("the file is ", "it is no state dict", "it holds no state dict", "'"))


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(InputError, match="does not hold a CLIP model in OpenAI's format"):
        checkpoint(str(path), CPU, torch.float32, "quickgelu")


def test_a_file_in_the_place_of_a_named_model_is_neither_run_nor_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / ".cache" / "clip" / "RN50.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a model")
    with pytest.raises(RunError, match="is not the model RN50"):
        named.locate("RN50")
    assert path.read_bytes() == b"half a model"


def test_a_named_model_is_asked_for_with_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    asked: dict[str, str] = {}

    def fetch(url: str, path: Path, *, sha256: str, **_: object) -> None:
        asked.update(url=url, sha256=sha256)
        raise FetchError("no network")

    monkeypatch.setattr(named, "fetch", fetch)
    with pytest.raises(RunError, match=r"cannot download the model ViT-B/32: no network(.|\n)*--model emoji"):
        named.locate("ViT-B/32")
    assert asked["url"].endswith("ViT-B-32.pt")
    assert asked["sha256"] == "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"
    assert len(asked["sha256"]) == len(hashlib.sha256().hexdigest())


@architectures
def test_the_encoder_computes_what_clip_computes(sizes: tuple[Any, ...]) -> None:
    """Its image tower and its way through the text tower are its own."""
    model = model_of(sizes)
    images = torch.rand(3, 3, 64, 64, requires_grad=True)
    pixels = (images - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    texts = ["a strawberry", "a house by the sea"]
    wanted = model.encode_image(pixels)
    (wanted_gradient,) = torch.autograd.grad(wanted.square().sum(), images)
    wanted_texts = model.encode_text(clip.tokenize(texts, context_length=12))
    encoder = ClipEncoder(model, CPU, torch.float32)
    found = encoder.encode_image(images)
    (gradient,) = torch.autograd.grad(found.square().sum(), images)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(gradient, wanted_gradient)
    torch.testing.assert_close(encoder.encode_text(texts), wanted_texts)


@architectures
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_fewer_digits_see_the_same(sizes: tuple[Any, ...], dtype: torch.dtype) -> None:
    """Features and gradients point where those of float32 do; texts are encoded in float32."""
    state = model_of(sizes).state_dict()
    outcomes = []
    for precision in (torch.float32, dtype):
        encoder = ClipEncoder(rebuild(state, "test"), CPU, precision)
        images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(2)).requires_grad_()
        features = encoder.encode_image(images)
        similarity = torch.cosine_similarity(features, encoder.encode_text(["a strawberry"]))
        (gradient,) = torch.autograd.grad(1024 * similarity.sum(), images)
        outcomes.append((features.detach(), gradient, encoder.encode_text(["a house"])))
    (features, gradient, text), (rough, rough_gradient, rough_text) = outcomes
    assert rough.dtype == rough_gradient.dtype == torch.float32
    assert torch.cosine_similarity(features, rough).min() > 0.999
    assert torch.cosine_similarity(gradient.flatten(1), rough_gradient.flatten(1)).min() > 0.97
    assert torch.equal(text, rough_text)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_run_in_fewer_digits_finds_a_similar_picture(precision: str) -> None:
    """At least as similar to the text, by the judgement of float32, less a little."""
    text = "model: emoji\nresolution: 64\nepochs: 100\nseed: 1\nprecision: {}\ncanvas: pyramid\n"
    text += "targets: [{{features: [{{text: strawberry}}], batch_size: 4, transforms: [{{random_shift: -.1 .1}}]}}]"
    found = []
    judge = emoji("emoji", CPU, torch.float32)
    for name in ("float32", precision):
        run = Run(check(read_yaml(text.format(name), "test.yaml"), Registry()))
        assert run.dtype == getattr(torch, name)
        *_, last = run
        found.append(torch.cosine_similarity(judge.encode_image(last.image), judge.encode_text(["strawberry"])).item())
    assert found[0] > 0.6
    assert found[1] > found[0] - 0.15  # small differences grow, and lead to another picture of the same thing


@pytest.mark.slow
def test_a_compiled_model_sees_the_same(tiny: CLIP, tmp_path: Path) -> None:
    torch.save(tiny.state_dict() | dict.fromkeys(OPENAI, torch.tensor(0)), tmp_path / "tiny.pt")
    text = f"model: {tmp_path / 'tiny.pt'}\nresolution: 70\nepochs: 3\nseed: 1\nprecision: float32\nchunk: 3\n"
    text += "targets: [{features: [{text: strawberry}], batch_size: 5, transforms: [{random_crop: 64}]}]\n"
    pictures = []
    for more in ("", "compile: true\n"):
        *_, last = Run(check(read_yaml(text + more, "test.yaml"), Registry()))
        pictures.append(last.image)
    torch.testing.assert_close(*pictures, rtol=0, atol=2e-3)


def test_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> object:
        def compiled(_: Tensor) -> Tensor:
            raise torch._dynamo.exc.InternalTorchDynamoError("no C++ compiler")

        return compiled

    monkeypatch.setattr(torch, "compile", refuse)
    text = "model: emoji\nresolution: 64\ncompile: true\ntargets: [{features: [{text: strawberry}]}]\n"
    run = Run(check(read_yaml(text, "test.yaml"), Registry()))
    with pytest.raises(RunError, match=r"cannot be compiled here: no C\+\+ compiler\n  Leave out 'compile: true'"):
        next(iter(run))
