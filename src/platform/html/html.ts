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

/** What may stand in a template: pieces of HTML one after another, a text, a number, or nothing. */
type Value = string | number | Html | readonly Html[] | null;

/** A piece of HTML: values that are not `Html` themselves are escaped, absent ones leave nothing. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
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

function render(value: Value): string {
  if (typeof value === 'object' && value !== null && !(value instanceof Html)) return value.join('');
  if (value instanceof Html) return value.toString();
  return value === null ? '' : String(value).replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
