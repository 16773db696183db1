import { isAddress } from "@solana/kit";
import { useState } from "react";
import { CLUSTERS, DEFAULTS, type ClusterName, type Settings } from "../lib/settings";
import { useSettings, useWorldState } from "../lib/state";
import { Dialog, Field, Segments } from "./ui";

/** Cluster, node, group, quote server and theme. */
export function SettingsDialog() {
  const { settings, change, endpoint } = useSettings();
  const { world } = useWorldState();
  const [draft, setDraft] = useState<Settings>(settings);
  const set = (part: Partial<Settings>) => setDraft(known => ({ ...known, ...part }));
  const isUrl = (text: string) => text === "" || (URL.canParse(text) && /^(https?|wss?):$/.test(new URL(text).protocol));
  const isGroup = draft.group === "" || isAddress(draft.group);
  const needsRpc = draft.cluster === "custom" && draft.rpc === "";
  const isGood = [draft.rpc, draft.ws, draft.services, draft.quotes].every(isUrl) && isGroup && !needsRpc;

  const apply = () => {
    if (!isGood) return;
    change(draft);
    document.querySelector<HTMLDialogElement>("#settings")?.close();
  };
  const text = (name: "rpc" | "ws" | "services" | "quotes", label: string, hint: string) => (
    <Field label={label} hint={isUrl(draft[name]) ? hint : "This is no address of a server."} bad={!isUrl(draft[name])}>
      {(id, described) => (
        <input
          id={id}
          aria-describedby={described}
          aria-invalid={!isUrl(draft[name])}
          type="url"
          value={draft[name]}
          onChange={event => set({ [name]: event.target.value.trim() })}
        />
      )}
    </Field>
  );
  return (
    <Dialog title="Settings" id="settings" onClose={() => setDraft(settings)}>
      <form
        className="form"
        onSubmit={event => {
          event.preventDefault();
          apply();
        }}
      >
        <Field label="Cluster">
          {id => (
            <select
              id={id}
              value={draft.cluster}
              onChange={event => setDraft({ ...DEFAULTS, theme: draft.theme, cluster: event.target.value as ClusterName })}
            >
              {Object.entries(CLUSTERS).map(([name, { label }]) => (
                <option key={name} value={name}>
                  {label}
                </option>
              ))}
              <option value="custom">Custom node</option>
            </select>
          )}
        </Field>
        {text("rpc", "Node (RPC)", draft.cluster === "custom" ? "Required." : "Empty: the cluster's public one.")}
        {text("ws", "Node (web socket)", "Empty: made from the node's address.")}
        <Field
          label="Group"
          hint={
            isGroup
              ? `In use: ${world?.group.address ?? endpoint.group ?? "none yet"}. Empty: found on the cluster.`
              : "This is no address."
          }
          bad={!isGroup}
        >
          {(id, described) => (
            <input
              id={id}
              aria-describedby={described}
              aria-invalid={!isGroup}
              className="mono"
              value={draft.group}
              onChange={event => set({ group: event.target.value.trim() })}
            />
          )}
        </Field>
        {text("quotes", "Quote server", "Where makers answer. Empty: the local services.")}
        <div className="field">
          <span className="label">Theme</span>
          <Segments
            label="Theme"
            value={draft.theme}
            onChange={theme => (set({ theme }), change({ theme }))}
            options={[
              { value: "system", label: "As the system" },
              { value: "dark", label: "Dark" },
              { value: "light", label: "Light" },
            ]}
          />
        </div>
        <div className="row end">
          <button type="submit" className="primary" disabled={!isGood}>
            Use these
          </button>
        </div>
      </form>
    </Dialog>
  );
}
