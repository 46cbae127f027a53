import { IncomingMessage, ServerResponse } from 'node:http'
import { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import { Duplex } from 'node:stream'
import type { Denial } from '@countersign/authorization'
import { type DenialAnswer, formatRawAnswer } from './answer.ts'
import type { RequestGate } from './connection/attach-server.ts'
import type { GuardedRequest } from './guarded-request.ts'
import { isDenial } from './is-denial.ts'
import type { Principal } from './principal/principal.ts'

/** What the gate needs from the guard. */
export interface GateQuestions {
  /** Decides a request by the rules. */
  readonly admit: (request: GuardedRequest, event: string) => Principal | Denial
  readonly answer: (denial: Denial, request: GuardedRequest) => DenialAnswer | undefined
  /** Called for each upgrade that is allowed. */
  readonly markUpgraded: (request: GuardedRequest) => void
}

/**
 * Creates the gate of a server. It decides each request where Node emits it, before any hook, middleware or router, and
 * answers denied requests. This includes requests for which Node emits separate events (`upgrade`, `connect`,
 * `checkContinue`, `checkExpectation`), which no framework sees.
 */
export function createServerGate({ admit, answer, markUpgraded }: GateQuestions): RequestGate {
  return (event, request, response) => {
    if (!(request instanceof IncomingMessage) && !(request instanceof Http2ServerRequest)) {
      // Emitted by hand, so there is no request to decide and no general means to answer it.
      destroy(response)
      return false
    }
    const verdict = admit(request, event)
    if (isDenial(verdict)) {
      send(response, answer(verdict, request))
      return false
    }
    if (event === 'upgrade' || event === 'connect') markUpgraded(request)
    return true
  }
}

function send(response: unknown, answer: DenialAnswer | undefined): void {
  // Without an answer, the connection is already closed.
  if (answer === undefined) return
  if (response instanceof ServerResponse || response instanceof Http2ServerResponse) sendResponse(response, answer)
  else if (response instanceof Duplex) {
    // Node no longer manages this socket or its timeouts, so destroy it here or it stays open.
    response.on('error', () => undefined)
    response.end(formatRawAnswer(answer), () => response.destroy())
  } else destroy(response)
}

function sendResponse(response: ServerResponse | Http2ServerResponse, { status, headers, body }: DenialAnswer): void {
  // Something started a response before the request was emitted. Abort it, so that it cannot look complete.
  if (response.headersSent) {
    if (response instanceof ServerResponse) response.destroy()
    else response.stream.close()
    return
  }
  response.writeHead(status, { ...headers, 'content-length': String(Buffer.byteLength(body)) })
  response.end(body)
}

function destroy(response: unknown): void {
  if (typeof response !== 'object' || response === null || !('destroy' in response)) return
  if (typeof response.destroy === 'function') Reflect.apply(response.destroy, response, [])
}
