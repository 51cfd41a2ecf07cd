"""Commands over HTTP: masks that the server makes, drafts, undo, jobs."""

from __future__ import annotations

from tests.serve.served import CLICK, Client

from samhq.masks import rle


def test_commit_stores_the_mask_of_the_prompt(client: Client) -> None:
    mask = client.ask("POST", "/images/1/mask", CLICK | {"candidate": "2"})
    delta = client.do(1, "commit", draft=CLICK | {"candidate": "2", "zoom": 3})
    (one,) = delta["upsert"]
    assert (one["mask"], one["area"], one["score"]) == (mask["mask"], mask["area"], mask["iou"])
    assert client.state()["objects"] == [one]
    (run,) = client.session.project.rows("SELECT name FROM model_run")
    assert run["name"] == "tiny_hq"


def test_points_can_be_taken_back_one_by_one(client: Client) -> None:
    for count in range(1, 4):
        client.do(1, "set_draft", draft={"points": [[1, 1]] * count, "labels": [1] * count})
    counts = [len(client.ask("POST", "/images/1/undo")["draft"]["points"]) for _ in range(2)]
    assert counts == [2, 1]
    assert client.ask("POST", "/images/1/undo")["draft"] is None
    assert len(client.ask("POST", "/images/1/redo")["draft"]["points"]) == 1


def test_commands_of_two_pages_do_not_overwrite_each_other(client: Client) -> None:
    body = {"command": {"type": "set_draft", "draft": CLICK}, "after": 0}
    assert client.ask("POST", "/images/1/commands", body)["revision"] == 1
    assert client.fault("POST", "/images/1/commands", body)[:2] == (409, "outdated")
    assert client.fault("POST", "/images/1/undo?after=0")[:2] == (409, "outdated")
    assert client.ask("POST", "/images/1/undo?after=1")["revision"] == 2
    assert client.fault("POST", "/images/1/redo?after=1")[:2] == (409, "outdated")
    assert client.ask("POST", "/images/1/redo?after=2")["draft"]["points"] == CLICK["points"]


def test_drafts_are_bounded(client: Client) -> None:
    command = {"type": "set_draft", "draft": {"own": "x" * (9 << 20)}}
    assert client.fault("POST", "/images/1/commands", {"command": command})[:2] == (413, "too_large")


def test_everything_is_suggested_and_taken(client: Client) -> None:
    settings = {"points_per_side": 4, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
    job = client.ask("POST", "/jobs", {"kind": "everything", "image_id": 1, "settings": settings})
    events = client.events("GET", f"/jobs/{job['id']}/events")
    assert events[-1][0] == "result"
    found = events[-1][1]["objects"]
    assert found
    assert found == client.ask("GET", f"/jobs/{job['id']}/result")["objects"]
    assert rle.decode(found[0]["mask"]).shape == (40, 60)
    delta = client.do(1, "commit_many", job_id=job["id"], indices=[0])
    assert [one["source"] for one in delta["upsert"]] == ["auto"]
    client.do(1, "commit_many", job_id=job["id"])
    assert len(client.state()["objects"]) == 1 + len(found)
    command = {"type": "commit_many", "job_id": job["id"], "indices": [999]}
    assert client.fault("POST", "/images/1/commands", {"command": command})[0] == 422
    assert client.fault("POST", "/images/2/commands", {"command": command})[0] == 409


def test_a_job_with_unknown_settings_says_so(client: Client) -> None:
    job = client.ask("POST", "/jobs", {"kind": "everything", "image_id": 1, "settings": {"points_per_sid": 4}})
    name, error = client.events("GET", f"/jobs/{job['id']}/events")[-1]
    assert (name, error["code"]) == ("error", "bad_request")
    assert "points_per_side" in error["message"]
    assert client.ask("GET", f"/jobs/{job['id']}")["state"] == "failed"
