# %% [markdown]
# # A GeoTIFF becomes polygons on the map
#
# Bands, tiles, coordinates. The scene is drawn here: houses on grass, four bands of 16 bits, 0.5 m a pixel, in UTM zone 33. It needs
# the extra `geo`.

# %%
# %config InlineBackend.figure_formats = ["jpeg"]
import json
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import rasterio
import samhq
from rasterio.transform import from_origin
from scipy import ndimage

random = np.random.default_rng(3)
HEIGHT, WIDTH = 500, 700
ground = ndimage.gaussian_filter(random.normal(0, 1, (HEIGHT, WIDTH)), 6) * 900
bands = np.stack([level + ground + random.normal(0, 40, (HEIGHT, WIDTH)) for level in (700, 1100, 800, 2600)])
houses = []
for row in range(60, HEIGHT - 60, 125):
    for column in range(60, WIDTH - 60, 140):
        top, left = row + random.integers(-15, 15), column + random.integers(-15, 15)
        height, width = random.integers(40, 64, 2)
        houses.append((top, left, height, width))
        roof = np.array([2100, 1500, 1300, 1200]) * random.uniform(0.8, 1.2)
        bands[:, top : top + height, left : left + width] = roof[:, None, None] + random.normal(0, 30, (4, height, width))
with rasterio.open(
    "scene.tif", "w", driver="GTiff", height=HEIGHT, width=WIDTH, count=4, dtype="uint16", crs="EPSG:32633",
    transform=from_origin(500_000, 5_400_000, 0.5, 0.5),
) as file:
    file.write(bands.clip(0, 65535).astype(np.uint16))

# %% [markdown]
# ## Everything, in tiles
#
# Bands 1, 2 and 3 become red, green and blue, stretched between percentiles of the whole file. Objects are merged where they cross the border of two tiles.

# %%
command = "everything scene.tif --bands 1,2,3 --stretch 2,98 --tile 400 --overlap 120 --points-per-side 8 --no-overlay --output found"
subprocess.run([sys.executable, "-m", "samhq", *command.split()], check=True, capture_output=True)
shown = samhq.as_rgb(bands.transpose(1, 2, 0).clip(0, 65535).astype(np.uint16), bands=(1, 2, 3), percentiles=(2, 98))
found = samhq.load_everything("found/scene.json", shown)
found.plot();

# %% [markdown]
# ## Polygons in the coordinates of the GeoTIFF

# %%
command = "write found --format geojson --tolerance 1 --drop-specks 30 --output gis"
subprocess.run([sys.executable, "-m", "samhq", *command.split()], check=True, capture_output=True)
with open("gis/scene.geojson") as file:
    features = json.load(file)["features"]
print(len(features), "polygons; the first corner of the first:", features[0]["geometry"]["coordinates"])
