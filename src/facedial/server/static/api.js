// Calls of the API. A Problem has the one sentence of the server's problem details.

let token = null;

export function useToken(text) {
  token = text;
}

export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

const MAX_ATTEMPTS = 4; // of a request that a busy server answers 503

export async function call(method, path, { body, json, signal, priority } = {}) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (json !== undefined) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(json);
  } else if (body !== undefined) {
    headers["Content-Type"] = "application/octet-stream";
  }
  for (let attempt = 1; ; attempt += 1) {
    let response;
    try {
      response = await fetch(`api/${path}`, { method, headers, body, signal, priority });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, "The server does not answer; is it still running?");
    }
    if (response.ok) return response;
    if (response.status === 503 && attempt < MAX_ATTEMPTS) {
      await new Promise((done) => setTimeout(done, 1000 * Number(response.headers.get("Retry-After") || 1)));
      continue;
    }
    let detail = `The server answered ${response.status}.`;
    try {
      detail = (await response.json()).detail;
    } catch {
      // not problem details, as of a proxy: the status has to do
    }
    throw new Problem(response.status, detail);
  }
}

export const get = async (path) => (await call("GET", path)).json();
export const post = async (path, json, options = {}) => (await call("POST", path, { json, ...options })).json();

export async function picture(path, json, signal) {
  const response = await call("POST", path, { json, signal });
  return {
    blob: await response.blob(),
    box: (response.headers.get("Facedial-Box") || "").split(",").map(Number),
    implied: JSON.parse(response.headers.get("Facedial-Implied") || "{}"),
    identity: JSON.parse(response.headers.get("Facedial-Identity") || "{}"),
  };
}

export async function upload(path, file, maxBytes) {
  if (file.size > maxBytes) {
    throw new Problem(413, `${file.name} has ${(file.size / 1e6).toFixed(0)} MB; ${(maxBytes / 1e6).toFixed(0)} MB are the most.`);
  }
  return (await call("POST", path, { body: file })).json();
}
