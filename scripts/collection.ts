import { createRequire } from 'node:module';

interface Header {
  key: string;
  value: string;
}

interface Item {
  id?: string;
  name: string;
  item?: Item[];
  request?: {
    method: string;
    auth: { type: string } | null;
    header: Header[];
    url: { path: string[]; query: { disabled: boolean }[]; variable: { key: string; value: string }[] };
  };
  response?: { id?: string; code: number }[];
  event?: { listen: string; script: { type: string; exec: string[] } }[];
}

interface Collection {
  item: Item[];
  info: { _postman_id?: string };
  variable: { key: string; value: string }[];
}

interface Converter {
  convertV2(
    input: { type: 'json'; data: object },
    options: Readonly<Record<string, string | boolean>>,
    done: (error: Error | null, result: { result: boolean; reason?: string; output?: { data: Collection }[] }) => void,
  ): void;
}

const OPTIONS = { folderStrategy: 'Tags', parametersResolution: 'Example' };

/** What an answer tells that later requests need, by the request's last part of the path. */
const KEEPS: Readonly<Record<string, readonly [variable: string, from: string][]>> = {
  register: [['bearerToken', 'token']],
  login: [['bearerToken', 'token']],
  refresh: [['bearerToken', 'token']],
  claim: [
    ['accessKeyId', 'accessKeyId'],
    ['secretKey', 'secretKey'],
  ],
};

/**
 * A Postman collection (v2.1, which Bruno, Insomnia and Hoppscotch import too) of an OpenAPI document: a folder for each
 * tag, `{{baseUrl}}`, and tokens that logging in and claiming put into variables. The same for the same document.
 */
export async function makeCollection(document: object): Promise<string> {
  const collection = await convert(document);
  delete collection.info._postman_id;
  collection.variable = [
    { key: 'baseUrl', value: 'http://localhost:8080' },
    ...['bearerToken', 'accessKeyId', 'secretKey'].map((key) => ({ key, value: '' })),
  ];
  collection.item.forEach(tidy);
  return `${JSON.stringify(collection, null, 2)}\n`;
}

/** Ids are made anew at each conversion, and nobody asks for them. */
function tidy(item: Item): void {
  delete item.id;
  item.item?.forEach(tidy);
  const { request, response } = item;
  if (!request || !response) return;
  item.response = response.filter(({ code }) => code < 300);
  for (const example of item.response) delete example.id;
  // Options are there to be switched on.
  for (const query of request.url.query) query.disabled = true;
  for (const variable of request.url.variable) variable.value = encodeURIComponent(variable.value);
  if (request.auth?.type === 'apikey') {
    // The converter knows keys of one header.
    request.auth = { type: 'noauth' };
    request.header.push(
      { key: 'x-access-key-id', value: '{{accessKeyId}}' },
      { key: 'x-secret-key', value: '{{secretKey}}' },
    );
  }
  const keeps = KEEPS[request.url.path.at(-1) ?? ''] ?? [];
  if (request.method !== 'POST' || keeps.length === 0) return;
  const exec = keeps.map(
    ([variable, from]) => `pm.collectionVariables.set('${variable}', pm.response.json().data.${from});`,
  );
  item.event = [{ listen: 'test', script: { type: 'text/javascript', exec } }];
}

function convert(document: object): Promise<Collection> {
  const converter = createRequire(import.meta.url)('openapi-to-postmanv2') as Converter;
  return new Promise((resolve, reject) => {
    converter.convertV2({ type: 'json', data: document }, OPTIONS, (error, { result, reason, output }) => {
      const [made] = output ?? [];
      if (made) resolve(made.data);
      else reject(error ?? new Error(`no collection could be made (${result}): ${reason}`));
    });
  });
}
