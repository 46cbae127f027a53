import { request as requestHttps } from 'node:https'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { createAgent, createDispatcher, createFetch, type ServerNames } from '@countersign/client'
import type { SubjectSource, X509Source } from '@countersign/core'
import { request } from 'undici'

/** Calls a URL and returns the response body; rejects with the error that the library's caller would see. */
export type Call = (url: string) => Promise<string>

/** Creates a caller. */
export type Caller = (context: TestContext, source: X509Source | SubjectSource, servers: ServerNames) => Call

/** The optional parts of a request. */
interface SendInit {
  readonly method?: 'GET' | 'POST'
  readonly body?: string | AsyncIterable<string>
  readonly signal?: AbortSignal
  readonly headers?: Readonly<Record<string, string>>
}

/** Sends a request, and returns the response body as soon as the head has arrived. */
type Send = (url: string, init?: SendInit) => Promise<AsyncIterable<unknown>>

/** Creates a sender. */
export type Sender = (context: TestContext, source: X509Source | SubjectSource, servers: ServerNames) => Send

/** All senders over HTTP, by name. */
export const senders: readonly (readonly [name: string, sender: Sender])[] = [
  [
    'agent',
    (context, source, servers) => {
      const agent = createAgent(source, { servers })
      context.after(() => agent.destroy())
      return (url, { body = '', ...init } = {}) =>
        new Promise((resolve, reject) => {
          const outgoing = requestHttps(url, { agent, ...init }, resolve).on('error', reject)
          if (typeof body === 'string') outgoing.end(body)
          else Readable.from(body).pipe(outgoing)
        })
    },
  ],
  [
    'fetch',
    (context, source, servers) => {
      const fetch = createFetch(source, { servers })
      context.after(() => fetch.close())
      return async (url, init = {}) => {
        const body = typeof init.body === 'object' ? toBytes(init.body) : init.body
        const { method = 'GET', headers = {}, signal = null } = init
        const given = { method, headers, signal, ...(body !== undefined && { body, duplex: 'half' as const }) }
        return (await fetch(url, given)).body ?? emptyBody()
      }
    },
  ],
  [
    'dispatcher',
    (context, source, servers) => {
      const dispatcher = createDispatcher(source, { servers })
      context.after(() => dispatcher.destroy())
      return async (url, { body, signal, ...init } = {}) => {
        const given = typeof body === 'object' ? Readable.from(body) : body
        const outgoing = { ...init, ...(given !== undefined && { body: given }), ...(signal && { signal }) }
        return (await request(url, { ...outgoing, dispatcher })).body
      }
    },
  ],
]

/** All callers over HTTP, by name. */
export const callers: readonly (readonly [name: string, caller: Caller])[] = senders.map(([name, sender]) => [
  name,
  (context, source, servers) => {
    const send = sender(context, source, servers)
    return async (url) => text(await send(url))
  },
])

async function* toBytes(parts: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const part of parts) yield Buffer.from(part)
}

async function* emptyBody(): AsyncGenerator<string> {
  // Yields no chunks.
}
