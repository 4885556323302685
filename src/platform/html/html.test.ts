import { describe, expect, it } from 'vitest';
import { html } from './html.ts';

describe('html', () => {
  it('escapes what is not HTML yet, once', () => {
    const inner = html`<b>${'<&>"\''}</b>`;
    expect(String(html`<p title="${'"'}">${inner}${1}${null}</p>`)).toBe(
      '<p title="&quot;"><b>&lt;&amp;&gt;&quot;&#39;</b>1</p>',
    );
  });

  it('puts pieces one after another', () => {
    expect(String(html`<ul>${['<a>', 'b'].map((text) => html`<li>${text}</li>`)}</ul>`)).toBe(
      '<ul><li>&lt;a&gt;</li><li>b</li></ul>',
    );
  });
});
