/** The model that labels: the one the server was started with, or one that was trained on this page. */
import { chooseModel } from "../state/training";
import { models } from "../state/store";

export function ModelChoice() {
  const rows = models.value;
  return (
    <select
      class="field"
      aria-label="Model to label with"
      title="The model to label with; pictures are encoded again when it changes"
      value={rows.find(({ current }) => current)?.id ?? ""}
      onChange={(event) => void chooseModel(event.currentTarget.value)}
    >
      {rows.map(({ id, name, trained }) => (
        <option key={id} value={id}>
          {trained ? `${name} (trained here)` : name}
        </option>
      ))}
    </select>
  );
}
