/*
 * Makes the pages more pleasant; each of them works without.
 *
 *   #live                  is fetched again and brought up to date in place,
 *                          while its data-live is "true"
 *   a[data-dialog=ID]      opens the dialog ID instead of its link
 *   button[data-copy=ID]   copies the value of the field ID, and says so in
 *                          the element that data-done names
 *   form[data-once]        is sent once, not once a click
 *
 * The words that are shown stand in the pages, in data-text and data-busy.
 */
"use strict";

(function () {
  // Style shows what works only with this script: elements of class needs-js.
  document.documentElement.classList.add("js");

  const byId = (id) => document.getElementById(id);

  // A form that came back with an error: read, and reach, what is wrong first.
  if (byId("error")) byId("error").focus();

  /* Forms: the second click on Create must not make a second machine. */

  const RESEND_MS = 10000;        // a lost answer: let the visitor try again

  function release(form) {
    delete form.dataset.sent;
    form.querySelectorAll("button[data-label]").forEach((button) => {
      button.textContent = button.dataset.label;
      button.removeAttribute("aria-disabled");
      delete button.dataset.label;
    });
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.hasAttribute("data-once")) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    // Not `disabled`: a disabled button's name would not be sent.
    const button = event.submitter;
    if (button && button.dataset.busy) {
      button.dataset.label = button.textContent;
      button.textContent = button.dataset.busy;
      button.setAttribute("aria-disabled", "true");
    }
    setTimeout(() => release(form), RESEND_MS);
  });

  // The page came back from the browser's back button as it was left.
  addEventListener("pageshow", (event) => {
    if (event.persisted) document.querySelectorAll("form[data-once]").forEach(release);
  });

  /*
   * The form: each machine has limits of its own.  Its option says them as
   * data-cpu, data-memory and data-disk, "MIN MAX STANDARD", and as data-gpu
   * "no", "yes" (who asks for a card gets one) or "always"; what the machine
   * cannot have is not offered, and what it has by itself is said.
   */

  const machine = byId("machine");
  const gpu = byId("gpu");
  let gpu_wanted = gpu && gpu.checked;

  function adapt(select, amounts, unit) {
    const [min, max, standard] = amounts.split(" ").map(Number);
    const same = [...select.options].find((option) => Number(option.value) === standard);
    const amount = same && same.value !== "" ? same.textContent : standard + unit;
    for (const option of select.options) {
      const value = Number(option.value);
      const out = option.value !== "" && (value < min || value > max);
      option.disabled = out;
      option.hidden = out;
      if (option.value === "") {
        if (!option.dataset.text) option.dataset.text = option.textContent;
        option.textContent = `${option.dataset.text} (${amount})`;
      }
    }
    if (select.selectedOptions[0] && select.selectedOptions[0].disabled) {
      const usable = [...select.options].filter((option) => !option.disabled);
      const nearest = usable.find((option) => Number(option.value) === standard) || usable[0];
      if (nearest) nearest.selected = true;
    }
  }

  function show_machine() {
    const chosen = machine.selectedOptions[0];
    if (!chosen) return;
    for (const field of ["cpu", "memory", "disk"]) {
      const select = byId(field);
      const unit = field === "cpu" ? "" : " GB";
      if (select && chosen.dataset[field]) adapt(select, chosen.dataset[field], unit);
    }
    if (gpu) {
      const given = chosen.dataset.gpu;
      gpu.disabled = given !== "yes";
      gpu.checked = given === "always" || (given === "yes" && gpu_wanted);
    }
    const hint = byId("machine-limits");
    hint.textContent = chosen.dataset.limits;
    if (chosen.dataset.icon) {
      const picture = document.createElement("img");
      picture.src = chosen.dataset.icon;
      picture.alt = "";
      picture.width = picture.height = 24;
      hint.prepend(picture, " ");
    }
  }

  if (machine) {
    machine.addEventListener("change", show_machine);
    if (gpu) gpu.addEventListener("change", () => { gpu_wanted = gpu.checked; });
    show_machine();
  }

  /* Clicks: the stop dialog and the copy button. */

  async function copy(button) {
    const field = byId(button.dataset.copy);
    const done = byId(button.dataset.done);
    try {
      await navigator.clipboard.writeText(field.value);
    } catch (refused) {
      // No clipboard over plain http: the old way, or at least the selection.
      field.select();
      if (!document.execCommand("copy")) return;
      button.focus();
    }
    done.textContent = done.dataset.text;
  }

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-dialog], [data-copy]");
    if (!target || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (target.dataset.copy) {
      copy(target);
      return;
    }
    const dialog = byId(target.dataset.dialog);
    if (dialog && dialog.showModal) {
      event.preventDefault();
      dialog.showModal();
    }
  });

  /*
   * Make `old` look like `fresh` with as few changes as possible: whatever is
   * the same stays the same element, so that the focus, a selection, a half
   * done click and the screen reader's place are kept.
   */
  function update(old, fresh) {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
      old.replaceWith(fresh.cloneNode(true));
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      old.data = fresh.data;
      return;
    }
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    const from = [...old.childNodes];
    const to = [...fresh.childNodes];
    from.slice(to.length).forEach((node) => node.remove());
    to.forEach((node, i) => {
      if (i < from.length) update(from[i], node);
      else old.append(node.cloneNode(true));
    });
  }

  /* The session page: what is happening now. */

  const live = byId("live");
  if (!live || live.dataset.live !== "true") return;

  const STARTING_MS = 600;
  const QUEUED_MS = 2000;
  const RUNNING_MS = 5000;
  const HIDDEN_MS = 5000;         // only the title tells that it is ready
  const SLOWEST_MS = 30000;
  const PATIENCE_MS = 10000;

  const connection = byId("connection");
  let failures = 0;
  let timer = 0;
  let busy = false;

  function delay() {
    if (failures) return Math.min(1000 * 2 ** (failures - 1), SLOWEST_MS);
    if (live.dataset.state === "running") return RUNNING_MS;
    if (document.hidden) return HIDDEN_MS;
    return live.dataset.state === "queued" ? QUEUED_MS : STARTING_MS;
  }

  function plan(wait) {
    clearTimeout(timer);
    if (live.dataset.live !== "true") return;
    // Nobody looks at a running session's page: do not ask about it.
    if (document.hidden && live.dataset.state === "running") return;
    timer = setTimeout(ask, wait);
  }

  function say(text) {
    if (connection.textContent !== text) connection.textContent = text;
  }

  function show(fresh) {
    const focused = document.activeElement;
    const dialog = document.querySelector("dialog[open]");
    update(live, document.importNode(fresh, true));
    if (live.dataset.title) document.title = live.dataset.title;
    // An open dialog stays, unless there is nothing left to stop.
    const over = dialog && live.dataset.live !== "true";
    if (over) dialog.close();
    // What had the focus was replaced, or is gone.
    if (!focused.isConnected || (over && dialog.contains(focused))) {
      const again = focused.id && byId(focused.id);
      (again || byId("main")).focus({ preventScroll: true });
    }
  }

  async function ask() {
    if (busy) return;
    busy = true;
    const abort = new AbortController();
    const deadline = setTimeout(() => abort.abort(), PATIENCE_MS);
    try {
      const answer = await fetch(location.href, {
        headers: { Accept: "text/html" },
        credentials: "same-origin",
        cache: "no-store",
        signal: abort.signal,
      });
      if (answer.status >= 500) throw new Error("server");
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("live");
      if (!fresh) {
        // Not the session any more (gone, or not ours): show what it is.
        location.reload();
        return;
      }
      failures = 0;
      say("");
      show(fresh);
    } catch (lost) {
      failures += 1;
      say(connection.dataset.text);
    } finally {
      clearTimeout(deadline);
      busy = false;
    }
    plan(delay());
  }

  document.addEventListener("visibilitychange", () => plan(document.hidden ? delay() : 0));
  plan(delay());
})();
