/** Train on what was labelled: the data set is written, and the command is shown. */
import { useState } from "preact/hooks";
import { trainingCommand, type Training } from "../state/files";
import { Button } from "./Button";
import { Dialog } from "./Dialog";

export function TrainingDialog() {
  const [what, setWhat] = useState("hq");
  const [made, setMade] = useState<Training | null>(null);
  return (
    <Dialog title="Train on what is labelled">
      <p>The objects of all pictures that are not skipped are written as a COCO file beside the project. The command trains on it.</p>
      <div class="row">
        <select class="field" aria-label="What learns" value={what} onChange={(event) => setWhat(event.currentTarget.value)}>
          <option value="hq">HQ token and features</option>
          <option value="decoder">whole decoder</option>
          <option value="lora">adapters (LoRA)</option>
          <option value="all">everything</option>
        </select>
        <Button icon="train" label="Write the data set" strong onClick={() => void trainingCommand(what).then(setMade)}>
          Write the data set
        </Button>
      </div>
      {made && (
        <div role="status">
          <p>
            {made.objects} objects on {made.images} pictures. Run this:
          </p>
          <textarea class="field command" readOnly rows={4} aria-label="Command" value={made.command} onFocus={(event) => event.currentTarget.select()} />
        </div>
      )}
    </Dialog>
  );
}
