/** Text that is HTML already; whatever is not is escaped when it is put into a template. */
export class Html {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

/** A piece of HTML: values that are not `Html` themselves are escaped, absent ones leave nothing. */
export function html(parts: TemplateStringsArray, ...values: readonly (string | number | Html | null)[]): Html {
  const filled = parts.map((part, i) => (i === 0 ? part : `${render(values[i - 1] ?? null)}${part}`));
  return new Html(filled.join(''));
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function render(value: string | number | Html | null): string {
  if (value instanceof Html) return value.toString();
  return value === null ? '' : String(value).replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
