import type { Server } from 'node:tls'
import type { GuardedRequest, RequestWay } from './guarded-request.ts'

/** How the router of an application reads the path of a request. */
export type ReadWay = (request: GuardedRequest) => RequestWay

/**
 * How the application reads paths that a request listener is, or undefined for a listener that is not of this adapter:
 * for frameworks whose applications any server can serve.
 */
export type RecognizeListener = (listener: object) => ReadWay | undefined

/** The way of a listener that no adapter recognizes: by the letter. */
export const byTheLetter: RequestWay = Object.freeze({})

/** Creates the function that asks adapters about the request listeners that a server has at that moment. */
export function followListener(server: Server, recognizers: ReadonlySet<RecognizeListener>): ReadWay {
  let known: { readonly count: number; readonly readWay: ReadWay } | undefined
  const forget = (event: string | symbol): void => {
    if (event === 'request') known = undefined
  }
  server.on('newListener', forget)
  server.on('removeListener', forget)
  return (request) => {
    if (known?.count !== recognizers.size) {
      known = { count: recognizers.size, readWay: find(server.listeners('request'), recognizers) }
    }
    return known.readWay(request)
  }
}

// Beside an application there may be listeners that only watch; they are no adapter's.
function find(listeners: readonly object[], recognizers: ReadonlySet<RecognizeListener>): ReadWay {
  for (const listener of listeners) {
    for (const recognize of recognizers) {
      const readWay = recognize(listener)
      if (readWay !== undefined) return readWay
    }
  }
  return () => byTheLetter
}
