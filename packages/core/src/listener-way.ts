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

/** Creates the function that asks adapters about the request listener that a server has at that moment. */
export function followListener(server: Server, recognizers: ReadonlySet<RecognizeListener>): ReadWay {
  let [listener]: readonly unknown[] = server.listeners('request')
  let known: { readonly count: number; readonly readWay: ReadWay } | undefined
  server.on('newListener', (event: string | symbol, added: unknown) => {
    // A further one is refused.
    if (event !== 'request' || server.listenerCount('request') > 0) return
    listener = added
    known = undefined
  })
  return (request) => {
    if (known?.count !== recognizers.size) known = { count: recognizers.size, readWay: find(listener, recognizers) }
    return known.readWay(request)
  }
}

function find(listener: unknown, recognizers: ReadonlySet<RecognizeListener>): ReadWay {
  if (typeof listener === 'function') {
    for (const recognize of recognizers) {
      const readWay = recognize(listener)
      if (readWay !== undefined) return readWay
    }
  }
  return () => byTheLetter
}
