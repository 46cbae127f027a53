import type { Server } from 'node:tls'
import type { GuardedRequest, RequestRouting } from './guarded-request.ts'

/** How the router of an application reads the path of a request. */
export type ReadRouting = (request: GuardedRequest) => RequestRouting

/**
 * How the application reads paths that a request listener is, or undefined for a listener that is not of this adapter:
 * for frameworks whose applications any server can serve.
 */
export type RecognizeListener = (listener: object) => ReadRouting | undefined

/** The way of a listener that no adapter recognizes: by the letter. */
export const exactRouting: RequestRouting = Object.freeze({})

/** Creates the function that asks adapters about the request listeners that a server has at that moment. */
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

// Beside an application there may be listeners that only watch; they are no adapter's.
function find(listeners: readonly object[], recognizers: ReadonlySet<RecognizeListener>): ReadRouting {
  for (const listener of listeners) {
    for (const recognize of recognizers) {
      const readRouting = recognize(listener)
      if (readRouting !== undefined) return readRouting
    }
  }
  return () => exactRouting
}
