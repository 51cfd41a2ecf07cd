/** The list of keys. */
import { BINDINGS } from "../keys";
import { Dialog } from "./Dialog";

const GROUPS = ["Tools", "Prompts", "Masks", "Objects", "View", "Pictures", "Page"] as const;

export function Help() {
  return (
    <Dialog title="Keys and help" wide>
      <div class="help" tabIndex={0} role="region" aria-label="List of keys">
        {GROUPS.map((group) => (
          <section key={group}>
            <h3>{group}</h3>
            <dl>
              {BINDINGS.filter((binding) => binding.group === group).map((binding) => (
                <div key={binding.keys}>
                  <dt>
                    <kbd>{binding.keys}</kbd>
                  </dt>
                  <dd>{binding.about}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
        <section>
          <h3>Touch</h3>
          <p>Tap adds a point, a long press subtracts. One finger moves the picture, two fingers zoom. The + / − switch turns what a tap does.</p>
        </section>
      </div>
    </Dialog>
  );
}
