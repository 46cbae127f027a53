import { FormData, Request, type RequestInit } from 'undici'

/** A request in undici's own classes. */
export interface AdoptedRequest {
  readonly input: string | URL | Request
  readonly init: RequestInit
}

/**
 * Takes over what was made with Node's built-in classes. Those are of another copy of undici, which does not know its own
 * and would send a form as the text `[object FormData]`.
 */
export function adoptRequest(
  input: string | URL | Request | globalThis.Request,
  init: RequestInit = {},
): AdoptedRequest {
  const { body, ...rest } = init
  const own: RequestInit = body instanceof globalThis.FormData ? { ...rest, body: adoptForm(body) } : init
  if (!(input instanceof globalThis.Request) || input instanceof Request) return { input, init: own }
  const { url, method, headers, body: stream, redirect, signal } = input
  const carried: RequestInit = { method, headers: [...headers], redirect, signal }
  // Its form, if it is one, is text by now, and the headers say so.
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
