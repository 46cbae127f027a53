import { get } from 'node:https'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { createAgent, createDispatcher, createFetch, type ServerNames } from '@countersign/client'
import type { SubjectSource, X509Source } from '@countersign/core'
import { request } from 'undici'

/** Calls a URL and gives the body of the answer; rejects with what the caller of the library would see. */
export type Call = (url: string) => Promise<string>

/** Makes a way of calling. */
export type Caller = (context: TestContext, source: X509Source | SubjectSource, servers: ServerNames) => Call

/** Every way of calling over HTTP, by name. */
export const callers: readonly (readonly [name: string, caller: Caller])[] = [
  [
    'agent',
    (context, source, servers) => {
      const agent = createAgent(source, { servers })
      context.after(() => agent.destroy())
      return (url) =>
        new Promise((resolve, reject) => {
          get(url, { agent }, (response) => resolve(text(response))).on('error', reject)
        })
    },
  ],
  [
    'fetch',
    (context, source, servers) => {
      const fetch = createFetch(source, { servers })
      context.after(() => fetch.close())
      return async (url) => (await fetch(url)).text()
    },
  ],
  [
    'dispatcher',
    (context, source, servers) => {
      const dispatcher = createDispatcher(source, { servers })
      context.after(() => dispatcher.destroy())
      return async (url) => (await request(url, { dispatcher })).body.text()
    },
  ],
]
