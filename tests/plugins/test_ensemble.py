"""Components made of others: what they compute; and what a config may say of components in parameters."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import clipig
from clipig_core import InputError, Nested, Param
from clipig_core.config.check import _Planner, check
from clipig_core.config.plan import Plan
from clipig_core.engine.run import Run
from clipig_core.extension.registry import Registry
from clipig_core.kit import Encoder, as_yaml, json_schema, prepare
from clipig_core.language.params import Declaration, declarations
from clipig_core.language.yaml import read_yaml
from clipig_ensemble.random_apply import random_apply

REGISTRY = Registry()
CPU = torch.device("cpu")


def planned(text: str) -> Plan:
    return check(read_yaml(text, "a.yaml"), REGISTRY)


def encoder_of(model: str) -> Encoder:
    use = planned(f"model: {model}\ntargets: [features: [text: fox]]").choices["model"]
    made: Encoder = use.make(use.name, CPU, torch.float32)
    return made


def cosine(encoder: Encoder, images: Tensor, text: str) -> Tensor:
    features = encoder.encode_image(prepare(encoder, images))
    return F.cosine_similarity(features, encoder.encode_text([text]))


@pytest.mark.parametrize(("weights", "share"), [("", 0.5), (", weights: [3, 1]", 0.75)])
def test_similarities_of_an_ensemble_are_the_means_of_its_models(weights: str, share: float) -> None:
    both = encoder_of(f"{{ensemble: {{models: [emoji, photo-lite0]{weights}}}}}")
    images = torch.rand(3, 3, 80, 72, generator=torch.Generator().manual_seed(1))
    wanted = share * cosine(encoder_of("emoji"), images, "red fox")
    wanted += (1 - share) * cosine(encoder_of("photo-lite0"), images, "red fox")
    torch.testing.assert_close(cosine(both, images, "red fox"), wanted, rtol=1e-4, atol=1e-4)


def test_a_text_that_one_model_does_not_know_is_left_to_the_others(caplog: pytest.LogCaptureFixture) -> None:
    both = encoder_of("{ensemble: [emoji, photo-lite0]}")
    emoji = encoder_of("emoji")
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    found = cosine(both, images, "smiling face")
    assert "'smiling face' is known to 1 of the 2 models" in caplog.text
    torch.testing.assert_close(found, cosine(emoji, images, "smiling face") * 0.5**0.5, rtol=1e-4, atol=1e-4)
    with pytest.raises(InputError, match="qwertz"):
        encoder_of("{ensemble: [photo-lite0, photo-lite1]}").encode_text(["qwertz"])


def test_an_ensemble_paints_and_its_picture_makes_it_again(tmp_path: Path) -> None:
    config = {
        "model": {"ensemble": ["emoji", {"ensemble": ["photo-lite0"]}]},
        "targets": [{"features": [{"text": "red fox"}], "batch_size": 2}],
    }
    result = clipig.make(config, resolution=32, epochs=3, seed=1)
    path = result.save(tmp_path / "fox.png")
    assert torch.equal(clipig.make(path).image, result.image)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{models: [emoji, emjoi]}", "a.yaml:1:36: unknown model 'emjoi' (did you mean 'emoji'?)"),
        ("{models: []}", "a.yaml:1:28: the list is empty (expected a model)"),
        ("{models: [5]}", "a.yaml:1:29: 'model' is a number"),
        ("{models: [{emoji: 1, photo: 2}]}", "'model' is a mapping (expected a name, or one name with parameters)"),
        ("{models: [{photo: {sise: 3}}]}", "a.yaml:1:38: unknown parameter 'sise'"),
        ("", "'models' is missing (expected list of models)"),
        ("[{ensemble: [emoji, {ensemble: [nope]}]}]", "unknown model 'nope'"),
    ],
)
def test_what_is_wrong_with_models_of_an_ensemble_has_its_place(given: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        planned(f"model: {{ensemble: {given}}}\ntargets: [features: [text: fox]]")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "weights", ["[1]", "[1, 0]", "[1, x]", "[1, true]", "[1, .inf]", "[1, 1e308]", "[[1], 2]", "3"]
)
def test_weights_are_numbers_above_zero_one_for_each(weights: str) -> None:
    model = f"{{ensemble: {{models: [emoji, emoji], weights: {weights}}}}}"
    plan = planned(f"model: {model}\nresolution: 32\ntargets: [features: [text: fox]]")
    with pytest.raises(InputError, match=r"a\.yaml:1:\d+: ensemble: "):
        Run(plan)


def test_a_transform_is_used_on_some_of_the_views() -> None:
    images = torch.rand(400, 3, 4, 4, generator=torch.Generator().manual_seed(1))

    def flipped(images: Tensor, rng: torch.Generator) -> Tensor:
        return images.flip(3)

    result = random_apply(images, flipped, 0.25, rng=torch.Generator().manual_seed(2))
    changed = (result == images.flip(3)).all(dim=(1, 2, 3))
    left = (result == images).all(dim=(1, 2, 3))
    assert bool((changed ^ left).all())
    assert 60 <= int(changed.sum()) <= 140  # 100 +- 4.6 standard deviations


def test_a_transform_that_changes_the_size_cannot_be_used_on_some() -> None:
    with pytest.raises(InputError, match=r"a\.yaml:7:.*random_apply: the transform changes the size"):
        list(Run(applied("center_crop: 4")))


def applied(transform: str) -> Plan:
    return planned(
        "model: emoji\nresolution: 8\nepochs: 4\nseed: 1\ntargets:\n"
        "- constraints: [{color: red}]\n"
        f"  transforms: [random_apply: {{transform: {{{transform}}}, probability: 1}}]"
    )


def test_expressions_inside_follow_time_and_the_picture_says_them_as_written() -> None:
    plan = applied("add: epoch/10")
    use = plan.targets[0].transforms[0]
    black, unused = torch.zeros(1, 3, 1, 1), random.Random(0)
    added = [use.arguments({"epoch": epoch}, unused)["transform"](black, rng=None).mean() for epoch in range(4)]
    assert torch.stack(added).tolist() == pytest.approx([0, 0.1, 0.2, 0.3])
    assert "epoch/10" in as_yaml(plan)
    assert "add" in [use.name for use in plan.uses()]


def test_a_random_transform_inside_draws_what_the_seed_says() -> None:
    first, second = (Run(applied("noise: .1 + .1*random()")) for _ in range(2))
    for _ in zip(first, second, strict=True):
        assert torch.equal(first.image, second.image)


def stack(
    images: Tensor,
    first: Annotated[Any, Nested("constraint"), Param("A constraint.")],
    source: Annotated[Any, Nested("feature"), Param("A feature.")],
    base: Annotated[Any, Nested("optimizer"), Param("An optimizer.")],
    of_a_plugin: Annotated[Any, Nested("gone"), Param("Of a kind that no plugin has.")] = None,
) -> Tensor:
    """Takes components of several kinds."""
    raise NotImplementedError


def nested(name: str) -> Declaration:
    """A parameter of `stack`, as the check of a config has it."""
    one = declarations(stack)[name]
    return replace(one, type=one.type.within(_Planner(REGISTRY, imports=True).nested))


def inside(name: str, written: str) -> Any:
    """What a component gets for what is written."""
    return nested(name).convert(read_yaml(written, "a.yaml")).fixed


def test_components_of_any_kind_are_functions_of_what_core_gives_them() -> None:
    encoder = encoder_of("emoji")
    torch.testing.assert_close(inside("source", "text: fox")(encoder), encoder.encode_text(["fox"])[0])
    assert inside("first", "blur")(torch.rand(2, 3, 8, 8)).shape == (2,)
    optimizer = inside("base", "adam: {eps: .5}")([torch.zeros(1, requires_grad=True)])
    assert optimizer.defaults["eps"] == 0.5


def test_a_kind_that_no_plugin_has_is_said_where_it_would_be_used() -> None:
    with pytest.raises(InputError, match=r"a\.yaml:1:1: no plugin brings the kind 'gone'"):
        inside("of_a_plugin", "x")


def test_variables_that_the_outer_component_has_not_are_refused_inside() -> None:
    with pytest.raises(InputError, match=r"a\.yaml:1:1: first: 't' is not known here"):
        inside("first", "{blur: 3 + t}")


def test_editors_know_components_inside_of_others() -> None:
    definitions = json_schema(REGISTRY)["definitions"]
    assert definitions["inside-model"]["oneOf"][0]["properties"].keys() >= {"emoji", "ensemble"}
    assert "white_balance" in definitions["inside-transform"]["oneOf"][1]["anyOf"][0]["enum"]
