"""Paints one scene: a background, objects from back to front with light and shadow, a camera, masks.

Every object writes its number into a label map as it is painted, so its visible part is exact under any occlusion.
Knows nothing about prompts or training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np

from samhq.datasets.drawn.assemblies import ASSEMBLED, ASSEMBLED_THIN
from samhq.datasets.drawn.backgrounds import background, blend
from samhq.datasets.drawn.camera import lit, photograph
from samhq.datasets.drawn.config import SceneConfig
from samhq.datasets.drawn.raster import Cover, Place, rasterise
from samhq.datasets.drawn.shapes import SOLID, THIN, Rng, Shape, between, chance, count, log_between, pick
from samhq.datasets.drawn.textures import Texture, banks, crop, random_colour, random_texture, related_texture

THIN_SHARE = 0.03  #: Share of the side; a mask with a smaller mean thickness is thin.


@dataclass
class Mood:
    """The common properties of a scene's objects: colours, a light from `light` radians, its fall-off, the focus."""

    colours: list[np.ndarray]
    light: float
    relief: float
    shadow: float
    focus: float
    depth: float


@dataclass
class Thing:
    """An object to paint: one texture per part; `tracked` ones get masks. `depth` 0 is far, 1 near."""

    shape: Shape
    place: Place
    textures: list[Texture]
    tracked: bool = True
    depth: float = 0.5
    rough: float = 0.0


@dataclass
class Canvas:
    """A picture while it is painted: `image` uint8 [S,S,3], `label` uint8 [S,S] with 0 for pixels without a mask."""

    image: np.ndarray
    label: np.ndarray
    covers: list[Cover] = field(default_factory=list)


def compose(rng: Rng, config: SceneConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Image uint8 [S,S,3], masks bool [K,S,S], thin bool [K] and parents int64 [K] of one scene; K may be 0."""
    cv2.setNumThreads(0)
    side = config.side
    mood = random_mood(rng)
    image, behind = background(rng, side, mood.colours)
    if chance(rng, mood.depth):
        image = cv2.stackBlur(image, (2 * int(log_between(rng, 1, 14) * side / 512) + 1,) * 2)
    canvas = Canvas(image, np.zeros((side, side), np.uint8))
    for thing in things(rng, config, mood, behind):
        paint(rng, canvas, thing, mood)
    image = photograph(rng, canvas.image)
    return (image, *collect(canvas, config))


def random_mood(rng: Rng) -> Mood:
    """Random colours, light and focus."""
    vivid, tint, pull = rng.random() ** 0.7, random_colour(rng, 0.4), between(rng, 0, 0.4)
    colours = [random_colour(rng, vivid) * (1 - pull) + tint * pull for _ in range(count(rng, 3, 8))]
    relief = 0.0 if chance(rng, 0.2) else between(rng, 0.1, 1)
    shadow = 0.0 if chance(rng, 0.35) else between(rng, 0.15, 0.8)
    # Most light comes from above.
    light = -math.pi / 2 + rng.normal() * 0.9 if chance(rng, 0.7) else between(rng, 0, 2 * math.pi)
    return Mood(colours, light, relief, shadow, rng.random(), pick(rng, [0.0, 0.2, 0.6]))


def things(rng: Rng, config: SceneConfig, mood: Mood, behind: Texture) -> list[Thing]:
    """The objects of a scene from back to front: clutter, then single ones and herds."""
    low, high = config.objects
    number = low + int((high - low + 1) * rng.random() ** 1.4)
    clutter = [speck(rng, config.side, mood) for _ in range(clutter_count(rng))]
    objects: list[Thing] = []
    while len(objects) < number:
        # The first is the subject: without it a third of the pictures would hold only tiny objects.
        smallest, largest = config.size
        if not objects:
            smallest = max(largest / 5, smallest)
        size = log_between(rng, smallest, largest)
        thing = one_thing(rng, config, mood, behind, size)
        if chance(rng, 0.12) and number - len(objects) > 2:
            objects += herd(rng, config, thing, number - len(objects))
        else:
            objects.append(thing)
    # Most large things are behind small ones; otherwise small ones would be hidden.
    objects.sort(key=lambda thing: -thing.place.size * log_between(rng, 0.3, 3))
    for rank, thing in enumerate(objects):
        thing.depth = (rank + 1) / len(objects)
    return clutter + objects


def speck(rng: Rng, side: int, mood: Mood) -> Thing:
    """A small object without a mask."""
    shape = pick(rng, SOLID)(rng)
    place = random_place(rng, side, log_between(rng, 0.008, 0.03), False)
    return Thing(shape, place, [random_texture(rng, pick(rng, mood.colours), mood.colours)], tracked=False, depth=0.0)


def clutter_count(rng: Rng) -> int:
    """The number of small untracked objects: mostly none."""
    return count(rng, 3, 16) if chance(rng, 0.2) else 0


def one_thing(rng: Rng, config: SceneConfig, mood: Mood, behind: Texture, size: float) -> Thing:
    """A random object whose longer side is `size` of the picture's."""
    thin, assembled = chance(rng, config.thin), chance(rng, config.assembled) and size > 0.05
    of_one_part, of_several = (THIN, ASSEMBLED_THIN) if thin else (SOLID, ASSEMBLED)
    families = of_several if assembled else of_one_part
    shape = pick(rng, families)(rng)
    place = random_place(rng, config.side, size, assembled)
    rough = log_between(rng, 0.15, 1.5) if not thin and not assembled and size > 0.08 and chance(rng, 0.15) else 0.0
    return Thing(shape, place, part_textures(rng, config, mood, behind, len(shape)), rough=rough)


def random_place(rng: Rng, side: int, size: float, upright: bool) -> Place:
    """A place that may reach over the border; things that stand mostly stay upright."""
    turn = rng.normal() * 0.12 if upright and chance(rng, 0.65) else between(rng, 0, 2 * math.pi)
    aspect = pick(rng, [1.0, log_between(rng, 0.6, 1.6), log_between(rng, 0.35, 2.8)])
    slack = 0.5 if chance(rng, 0.25) else 0.5 - min(size, 0.9) / 2
    x, y = (side * (0.5 + between(rng, -slack, slack)) for _ in range(2))
    flip = -1.0 if upright and chance(rng, 0.5) else 1.0
    wobble = between(rng, 0, 0.12) if chance(rng, 0.5) else 0.0
    lean = rng.normal() * 0.2 if chance(rng, 0.3) else 0.0
    return Place(x, y, size * side, turn, aspect * flip, lean, wobble, between(rng, 0, 6))


def part_textures(rng: Rng, config: SceneConfig, mood: Mood, behind: Texture, number: int) -> list[Texture]:
    """One texture for each part: all alike, all different, or related; like the background when camouflaged."""
    if chance(rng, config.camouflage):
        main = related_texture(rng, behind, log_between(rng, 4, 45))
    else:
        main = random_texture(rng, pick(rng, mood.colours) if chance(rng, 0.6) else random_colour(rng), mood.colours)
    kind, textures = rng.random(), [main]
    for _ in range(number - 1):
        if kind < 0.3:
            textures.append(main)
        elif kind < 0.65:
            textures.append(related_texture(rng, main, log_between(rng, 5, 60)))
        else:
            textures.append(random_texture(rng, pick(rng, mood.colours), mood.colours))
    return textures


def herd(rng: Rng, config: SceneConfig, thing: Thing, number: int) -> list[Thing]:
    """Several of the same object, near one another, alike in texture: fruit, sheep, cutlery, windows."""
    first, others = thing.place, []
    for _ in range(number):
        size = min(first.size * between(rng, 0.7, 1.2), 0.8 * config.side)
        x, y = rng.normal(size=2) * min(first.size * 1.6, config.side * 0.3) + (first.x, first.y)
        x, y = np.clip((x, y), 0, config.side).tolist()
        turn = first.turn if chance(rng, 0.5) else first.turn + rng.normal() * 0.5
        place = Place(x, y, size, turn, first.aspect * between(rng, 0.85, 1.15), first.lean, first.wobble, first.phase)
        shift = log_between(rng, 2, 25)
        others.append(
            Thing(
                thing.shape,
                place,
                [related_texture(rng, texture, shift) for texture in thing.textures],
                rough=thing.rough,
            )
        )
    return others


def paint(rng: Rng, canvas: Canvas, thing: Thing, mood: Mood) -> None:
    """Paint a thing with its shadow over the canvas and write its number into the label map."""
    side = len(canvas.label)
    blur = defocus(rng, thing, mood, side)
    spread = 0.025 * thing.place.size if thing.rough else 0.0
    cover = rasterise(thing.shape, thing.place, side, pad=2 + int(2 * blur + 3 * spread))
    if cover is None:
        return
    if spread:
        cover = roughened(rng, cover, spread, thing.rough)
    whole = cover.whole
    if blur and not withstands(whole, blur):
        blur = 0.0
    if thing.tracked and mood.shadow and thing.place.size > 6:
        cast_shadow(rng, canvas.image, cover, whole, thing.place.size, mood)
    window = canvas.image[cover.window]
    paintwork = set_off(rng, dressed(rng, cover, whole, thing, mood, side / 512), window, whole)
    paint_layer(window, paintwork, whole, blur)
    number = 0
    if thing.tracked:
        canvas.covers.append(cover)
        number = len(canvas.covers)
    canvas.label[cover.window][whole > 127] = number


def roughened(rng: Rng, cover: Cover, spread: float, strength: float) -> Cover:
    """The cover with its edge broken up by noise, as of foliage, fur, foam or torn paper."""
    h, w = cover.parts[0].shape
    grain = crop(rng, banks()[count(rng, 2, 5)], h, w, log_between(rng, 0.5, 2.5))
    parts = []
    for part in cover.parts:
        soft = cv2.addWeighted(cv2.GaussianBlur(part, (0, 0), spread), 1, grain, strength, -128 * strength)
        # A steep slope about one half makes the edge a pixel or two wide again.
        parts.append(cv2.addWeighted(soft, 4, soft, 0, -384))
    return Cover(cover.x0, cover.y0, cover.x1, cover.y1, parts)


def set_off(rng: Rng, paintwork: np.ndarray, window: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """The paintwork, made lighter or darker if its rim could not be distinguished from the background."""
    rim = cv2.subtract(whole, cv2.erode(whole, np.ones((5, 5), np.uint8)))
    inside, behind = np.array(cv2.mean(paintwork, rim)), np.array(cv2.mean(window, rim))
    if np.abs(inside - behind).max() > 12 or cv2.mean(cv2.absdiff(paintwork, window), rim)[0] > 45:
        return paintwork
    step = between(rng, 14, 50) * (1 if inside.sum() < 330 else -1)
    return cv2.addWeighted(paintwork, 1, paintwork, 0, step)


def defocus(rng: Rng, thing: Thing, mood: Mood, side: int) -> float:
    """The blur of a thing in pixels (sigma): 0 for most, never more than a part of its size."""
    if mood.depth == 0 or not thing.tracked or chance(rng, 0.6):
        return 0.0
    away = abs(thing.depth - mood.focus)
    sigma = min(away * away * 8 * side / 512, thing.place.size * 0.02)
    return sigma if sigma > 0.4 else 0.0


def withstands(whole: np.ndarray, blur: float) -> bool:
    """Whether a blur hardly moves the 50 % edge; thin things would fade instead."""
    soft = cv2.GaussianBlur(whole, (0, 0), blur)
    common = cv2.min(whole, soft)
    return int(np.count_nonzero(common > 127)) > 0.85 * int(np.count_nonzero(whole > 127))


def paint_layer(window: np.ndarray, paintwork: np.ndarray, cover: np.ndarray, blur: float) -> None:
    """Blend the paintwork into the window by its coverage, both blurred by `blur`; the 50 % edge stays."""
    if blur:
        cover = cv2.GaussianBlur(cover, (0, 0), blur)
        paintwork = cv2.GaussianBlur(paintwork, (0, 0), blur)
    blend(window, paintwork, cover)


def dressed(rng: Rng, cover: Cover, whole: np.ndarray, thing: Thing, mood: Mood, unit: float) -> np.ndarray:
    """The thing's texture and light uint8 [h,w,3] in its window, before it is cut out."""
    h, w = whole.shape
    image = thing.textures[0].paint(h, w, unit)
    for part, before, texture in zip(cover.parts[1:], thing.textures, thing.textures[1:], strict=False):
        if texture is not before:
            paint_layer(image, texture.paint(h, w, unit), part, 0.0)
    return shaded(rng, image, whole, mood)


def shaded(rng: Rng, image: np.ndarray, whole: np.ndarray, mood: Mood) -> np.ndarray:
    """The image under the scene's light: a gradient, pseudo-relief from the distance to the edge, a gloss spot."""
    h, w = whole.shape
    if mood.relief == 0 or h * w < 200 or chance(rng, 0.15):
        return image
    scale = min(1.0, 64 / max(h, w))
    small = cv2.resize(whole, (max(int(w * scale), 2), max(int(h * scale), 2)), interpolation=cv2.INTER_AREA)
    y, x = np.linspace(-1, 1, small.shape[0], dtype=np.float32), np.linspace(-1, 1, small.shape[1], dtype=np.float32)
    cos, sin = math.cos(mood.light), math.sin(mood.light)
    light = np.float32(1) + np.float32(mood.relief * 0.45) * (y[:, None] * np.float32(sin) + x[None] * np.float32(cos))
    if chance(rng, 0.6):
        light = light + relief(small, cos, sin) * np.float32(mood.relief * between(rng, 0.3, 1))
    if chance(rng, 0.2):
        spot = np.square(x[None] - np.float32(cos * 0.4)) + np.square(y[:, None] - np.float32(sin * 0.4))
        light = light + np.exp(-spot * np.float32(between(rng, 10, 80))) * np.float32(between(rng, 0.3, 1.5))
    return lit(image, light * 128)


def relief(small: np.ndarray, cos: float, sin: float) -> np.ndarray:
    """Light minus 1, float32 [h,w], on a cushion whose height is the root of the distance to the edge."""
    far = cv2.distanceTransform((small > 127).astype(np.uint8), cv2.DIST_L2, 3)
    high = cv2.GaussianBlur(np.sqrt(far), (0, 0), 1.2)
    slope = cv2.Sobel(high, cv2.CV_32F, 1, 0) * np.float32(-cos) + cv2.Sobel(high, cv2.CV_32F, 0, 1) * np.float32(-sin)
    return np.clip(slope * np.float32(0.35), -0.8, 0.8)


def cast_shadow(rng: Rng, image: np.ndarray, cover: Cover, whole: np.ndarray, size: float, mood: Mood) -> None:
    """Darkens the image in the thing's shadow: its blurred outline, moved and perhaps flattened."""
    if chance(rng, 0.2):
        return
    side, reach = len(image), size * between(rng, 0.02, 0.2)
    dx, dy = int(-math.cos(mood.light) * reach), int(-math.sin(mood.light) * reach)
    soft = max(reach * between(rng, 0.1, 0.6), 0.8)
    grow = int(2 * soft) + 1
    x0, y0 = max(cover.x0 + dx - grow, 0), max(cover.y0 + dy - grow, 0)
    x1, y1 = min(cover.x1 + dx + grow, side), min(cover.y1 + dy + grow, side)
    if x1 - x0 < 4 or y1 - y0 < 4:
        return
    scale = min(1.0, 2.0 / soft)
    move = np.array([[scale, 0, scale * (cover.x0 + dx - x0)], [0, scale, scale * (cover.y0 + dy - y0)]])
    small = cv2.warpAffine(whole, move, (max(int((x1 - x0) * scale), 2), max(int((y1 - y0) * scale), 2)))
    small = cv2.GaussianBlur(small, (0, 0), max(soft * scale, 0.6))
    window = image[y0:y1, x0:x1]
    window[:] = lit(np.ascontiguousarray(window), 128 - small * np.float32(mood.shadow * 128 / 255))


def collect(canvas: Canvas, config: SceneConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Masks bool [K,S,S], thin bool [K], parents int64 [K]: visible wholes, then their parts."""
    wholes: list[np.ndarray] = []
    pieces: list[tuple[int, np.ndarray]] = []
    for number, cover in enumerate(canvas.covers, 1):
        visible = canvas.label[cover.window] == number
        area, full = int(np.count_nonzero(visible)), int(np.count_nonzero(cover.whole > 127))
        if area < config.smallest or area < config.visible * full:
            continue
        pieces += [(len(wholes), part) for part in visible_parts(cover, visible, area, config)]
        wholes.append(full_size(visible, cover, len(canvas.label)))
    masks = wholes + [part for _, part in pieces]
    parents = np.array([-1] * len(wholes) + [parent for parent, _ in pieces], np.int64)
    stack = np.stack(masks) if masks else np.zeros((0, *canvas.label.shape), bool)
    return stack, np.array([shows_thin(mask) for mask in masks], bool), parents


def full_size(visible: np.ndarray, cover: Cover, side: int) -> np.ndarray:
    """A window's mask as a mask bool [side,side] of the picture."""
    mask = np.zeros((side, side), bool)
    mask[cover.window] = visible
    return mask


def visible_parts(cover: Cover, visible: np.ndarray, area: int, config: SceneConfig) -> list[np.ndarray]:
    """The visible areas of the largest parts, without tiny ones and those that are nearly the whole."""
    if len(cover.parts) < 2:
        return []
    top = np.zeros(visible.shape, np.uint8)
    for number, part in enumerate(cover.parts, 1):
        top[part > 127] = number
    areas = [(top == number) & visible for number in range(1, len(cover.parts) + 1)]
    sized = [(int(np.count_nonzero(mask)), mask) for mask in areas]
    fit = [pair for pair in sized if max(config.smallest, 0.02 * area) <= pair[0] <= 0.8 * area]
    fit.sort(key=lambda pair: -pair[0])
    return [full_size(mask, cover, config.side) for _, mask in fit[: config.parts]]


def shows_thin(mask: np.ndarray) -> bool:
    """Whether a mask [S,S] is mostly thinner than 3 % of the side: four times its mean distance to its edge.

    >>> disc = np.hypot(*np.mgrid[-32:32, -32:32]) < 20
    >>> shows_thin(disc), shows_thin(disc & (np.arange(64) == 30))
    (False, True)
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    window = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.uint8)
    # Objects continue behind the picture's border: padding with the edge keeps their visible thickness.
    far = cv2.distanceTransform(cv2.copyMakeBorder(window, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_L2, 3)
    return 4 * (cv2.sumElems(far)[0] / int(window.sum()) - 0.5) < THIN_SHARE * len(mask)
