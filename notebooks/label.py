# %% [markdown]
# # The labelling page, and its server from a program
#
# `samhq serve photos` opens a page on which you label a folder of pictures with clicks, boxes and a brush. This notebook starts the server
# on the sample picture, looks at the page, and then labels through the HTTP interface that the page itself uses.

# %%
# %config InlineBackend.figure_formats = ["jpeg"]
import json
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import samhq
from PIL import Image
from pycocotools import mask as rle

# %% [markdown]
# ## Start
#
# `--port 0` takes a free port and `--no-open` opens no browser. The printed address carries the token that every request needs.

# %%
Path("photos").mkdir(exist_ok=True)
shutil.copy(samhq.sample_picture(), "photos/coffee.jpg")
server = subprocess.Popen(
    [sys.executable, "-u", "-m", "samhq", "serve", "photos", "--port", "0", "--no-open"],
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    text=True,
)
printed = next(word for line in server.stdout for word in line.split() if "/#t=" in word)
address, token = printed.split("/#t=")
print("open this in a browser:", address + "/#t=...")

# %%


def send(method, route, body=None):
    """The bytes of an answer."""
    headers = {"X-Samhq-Token": token, "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{address}/api/v1{route}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return answer.read()


picture = json.loads(send("GET", "/images"))["images"][0]
picture

# %% [markdown]
# ## Label
#
# The command `commit` makes the mask of a prompt at full size and stores it as an object of a class.


# %%
def label(name, **prompt):
    """Stores an object of the class and returns what the server says about it."""
    number = json.loads(send("POST", "/classes", {"name": name}))["id"]
    draft = {"points": [], "labels": []} | prompt
    command = {"type": "commit", "draft": draft, "class_id": number}
    return json.loads(send("POST", f"/images/{picture['id']}/commands", {"command": command}))["upsert"][-1]


cup = label("cup", box=[172, 17, 410, 209])
spoon = label("spoon", box=[326, 200, 407, 326])
for name, found in (("cup", cup), ("spoon", spoon)):
    print(f"{name:6} {found['area']:6} pixels, predicted IoU {found['score']:.2f}")

# %% [markdown]
# ## The page
#
# If Chromium is installed, it opens the page and takes a picture of it. The page shows the objects that the program made: it uses the same
# routes.

# %%
browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if browser:
    subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--user-data-dir=profile",
         "--window-size=1100,680", "--virtual-time-budget=6000", "--screenshot=page.png", printed],
        capture_output=True, timeout=120, check=True,
    )
    figure = plt.figure(figsize=(11, 6.8))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.imshow(Image.open("page.png"))
    axis.set_axis_off()

# %% [markdown]
# Every command can be undone, also after a restart:

# %%
send("POST", f"/images/{picture['id']}/undo")
state = json.loads(send("GET", f"/images/{picture['id']}/state"))
print(len(state["objects"]), "object after undo")
send("POST", f"/images/{picture['id']}/redo");

# %% [markdown]
# ## Take the labels elsewhere
#
# Any format of the library, here COCO:

# %%
coco = json.loads(send("GET", "/export/coco?scope=project"))
names = {category["id"]: category["name"] for category in coco["categories"]}
image = np.asarray(Image.open("photos/coffee.jpg"))
shown = image.copy()
for annotation, colour in zip(coco["annotations"], ([230, 159, 0], [0, 158, 115])):
    shown[rle.decode(annotation["segmentation"]).astype(bool)] = colour
figure, axis = plt.subplots(figsize=(6, 4))
axis.imshow((0.5 * image + 0.5 * shown).astype(np.uint8))
axis.set_title(", ".join(names[annotation["category_id"]] for annotation in coco["annotations"]))
axis.set_axis_off()

# %% [markdown]
# The server also writes the command that trains on what you labelled:

# %%
print(json.loads(send("POST", "/training", {}))["command"].split(" --data")[0], "--data ...")
server.terminate()
server.wait()
sorted(path.name for path in Path("photos").iterdir())

# %% [markdown]
# The project is the file `project.samhq` beside the pictures. Start `samhq serve photos` again to go on. All routes:
# [the server's interface](../docs/serve-api.md). The page: [label on a web page](../docs/serve.md).
