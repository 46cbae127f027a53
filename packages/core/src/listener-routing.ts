import type { Server } from 'node:net'
import type { GuardedRequest, RequestRouting } from './guarded-request.ts'

/** Returns how an application's router reads the path of a request. */
export type ReadRouting = (request: GuardedRequest) => Pick<RequestRouting, 'semantics' | 'otherSemantics'>

/**
 * Returns how the application behind a request listener reads paths, or undefined if the listener does not belong to
 * this adapter. For frameworks whose applications can be served by any server.
 */
export type RecognizeListener = (listener: object) => ReadRouting | undefined

/** The routing of a listener that no adapter recognizes: exact matching. */
export const exactRouting: RequestRouting = Object.freeze({})

/**
 * Creates a function that queries the adapters about the server's current request listeners. The result is cached until
 * the listeners change.
 */
export function followListener(server: Server, recognizers: ReadonlySet<RecognizeListener>): ReadRouting {
  let known: { readonly count: number; readonly readRouting: ReadRouting } | undefined
  const forget = (event: string | symbol): void => {
    if (event === 'request') known = undefined
  }
  server.on('newListener', forget)
  server.on('removeListener', forget)
  return (request) => {
    if (known?.count !== recognizers.size) {
      known = { count: recognizers.size, readRouting: find(server.listeners('request'), recognizers) }
    }
    return known.readRouting(request)
  }
}

// A server may also have listeners that only observe; no adapter recognizes those.
function find(listeners: readonly object[], recognizers: ReadonlySet<RecognizeListener>): ReadRouting {
  for (const listener of listeners) {
    for (const recognize of recognizers) {
      const readRouting = recognize(listener)
      if (readRouting !== undefined) return readRouting
    }
  }
  return () => exactRouting
}
