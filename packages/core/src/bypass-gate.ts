import { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Duplex } from 'node:stream'
import { type DenialAnswer, formatRawAnswer } from './answer.ts'
import type { BypassGate } from './connection/attach-server.ts'
import type { Denial } from './decision/denial.ts'
import type { GuardedRequest } from './guarded-request.ts'
import type { Principal } from './principal/principal.ts'

/** What the gate asks of the guard. */
export interface GateQuestions {
  /** Whether the framework's router will decide about an upgrade itself. */
  readonly routesUpgrade: () => boolean
  readonly admit: (request: GuardedRequest) => Principal | Denial
  readonly answer: (denial: Denial, request: GuardedRequest) => DenialAnswer | undefined
  /** Told of each upgrade that passes. */
  readonly keepEndable: (request: GuardedRequest) => void
}

/**
 * Creates the gate for requests that Node gives to listeners of their own (`upgrade`, `connect`, `checkContinue`,
 * `checkExpectation`): no middleware and no route sees them, so the rules decide here.
 */
export function createBypassGate({ routesUpgrade, admit, answer, keepEndable }: GateQuestions): BypassGate {
  return (event, request, response) => {
    if (!(request instanceof IncomingMessage) && !(request instanceof Http2ServerRequest)) return false
    const isTunnel = event === 'upgrade' || event === 'connect'
    if (event === 'upgrade' && routesUpgrade()) {
      keepEndable(request)
      return true
    }
    const verdict = admit(request)
    if (!('effect' in verdict)) {
      if (isTunnel) keepEndable(request)
      return true
    }
    send(response, answer(verdict, request))
    return false
  }
}

function send(response: unknown, answer: DenialAnswer | undefined): void {
  // Without an answer the connection has been ended already.
  if (answer === undefined) return
  if (response instanceof ServerResponse) response.writeHead(answer.status, { ...answer.headers }).end(answer.body)
  else if (response instanceof Http2ServerResponse) {
    response.writeHead(answer.status, { ...answer.headers })
    response.end(answer.body)
  } else if (response instanceof Duplex) {
    // Node has let go of this socket, timeouts and all: if it is not destroyed here, nothing ever does it.
    response.on('error', () => undefined)
    response.end(formatRawAnswer(answer), () => response.destroy())
  }
}
