import { useSignal } from "@preact/signals";
import { serverTexts } from "../i18n/server.ts";
import { readIdentityFile } from "../identity-file.ts";
import type { Form } from "../server-form.ts";
import { bind, change } from "./bind.ts";
import { Checkbox, TextArea } from "./choices.tsx";
import { IdentityReport, useInspection } from "./identity-report.tsx";
import { Notice } from "./notice.tsx";
import { SecretField } from "./secret-field.tsx";

/** Key and certificate that sign, from a file or as text, with what they are good for. */
export function SigningSection({ form }: { readonly form: Form }) {
  const t = serverTexts();
  const { smime, smime_encrypt } = form.values.value;
  return (
    <section class="card">
      <h2>{t.signing}</h2>
      <Checkbox {...bind(form, "smime")} />
      <Checkbox {...bind(form, "smime_encrypt")} />
      {(smime || smime_encrypt) && <Checkbox {...bind(form, "dont_send_on_error")} />}
      {smime && <IdentityFields form={form} />}
    </section>
  );
}

function IdentityFields({ form }: { readonly form: Form }) {
  const t = serverTexts();
  const inspection = useInspection(form);
  const isTooLarge = useSignal(false);
  const take = async (file: File | undefined) => {
    if (file === undefined) return;
    const found = await readIdentityFile(file);
    isTooLarge.value = found === null;
    if (found === null) return;
    const { isStored } = form.values.peek().private_key;
    change(
      form,
      "private_key" in found ? { ...found, private_key: { ...found.private_key, isStored } } : found,
    );
    await inspection.run();
  };
  return (
    <>
      <label
        class="drop"
        onDragOver={(event) => event.preventDefault()}
        onDrop={(event) => {
          event.preventDefault();
          void take(event.dataTransfer?.files[0]);
        }}
      >
        <span>{t.sign}</span>
        <input
          type="file"
          aria-label={t.choose}
          accept=".pem,.crt,.cer,.key,.p12,.pfx"
          onChange={({ currentTarget }) => void take(currentTarget.files?.[0])}
        />
      </label>
      {isTooLarge.value && (
        <Notice kind="error">
          <p>{t.fileTooLarge}</p>
        </Notice>
      )}
      <div class="row">
        <SecretField {...bind(form, "private_key")} name="private_key" isLong />
        <TextArea {...bind(form, "certificate")} rows={4} isCode />
      </div>
      <SecretField {...bind(form, "private_key_password")} name="private_key_password" />
      <Checkbox {...bind(form, "smime_pss")} />
      {form.values.value.private_key.action === "change" && (
        <button type="button" class="start" onClick={() => void inspection.run()}>
          {t.inspect}
        </button>
      )}
      <IdentityReport inspection={inspection} />
    </>
  );
}
