import { FormData, Request, type RequestInit } from 'undici'

/** The options of a request: those of undici, and also forms and headers of Node's built-in classes. */
export interface FetchInit extends Omit<RequestInit, 'body' | 'headers'> {
  readonly body?: RequestInit['body'] | globalThis.FormData
  readonly headers?: RequestInit['headers'] | globalThis.Headers
}

/** A request in undici's own classes. */
export interface AdoptedRequest {
  readonly input: string | URL | Request
  readonly init: RequestInit
}

/**
 * Converts objects of Node's built-in classes. They belong to another copy of undici, so the installed one does not
 * recognize them and would send a form as the text `[object FormData]`.
 */
export function adoptRequest(
  input: string | URL | Request | globalThis.Request,
  { body, headers, ...init }: FetchInit = {},
): AdoptedRequest {
  const own: RequestInit = {
    ...init,
    ...(body !== undefined && { body: body instanceof globalThis.FormData ? adoptForm(body) : body }),
    ...(headers !== undefined && { headers: headers instanceof globalThis.Headers ? [...headers] : headers }),
  }
  if (!(input instanceof globalThis.Request) || input instanceof Request) return { input, init: own }
  const { url, method, body: stream, redirect, signal, integrity } = input
  const carried: RequestInit = { method, headers: [...input.headers], redirect, signal, integrity }
  // If the body was a form, it is already encoded, and the headers say so.
  return { input: url, init: { ...carried, ...(stream !== null && { body: stream, duplex: 'half' }), ...own } }
}

function adoptForm(form: globalThis.FormData): FormData {
  const adopted = new FormData()
  for (const [name, value] of form) {
    if (typeof value === 'string') adopted.append(name, value)
    else adopted.append(name, value, value.name)
  }
  return adopted
}
