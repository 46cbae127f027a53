import { IncomingMessage, ServerResponse } from 'node:http'
import { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import { Duplex } from 'node:stream'
import type { Denial } from '@countersign/authorization'
import { type DenialAnswer, formatRawAnswer } from './answer.ts'
import type { RequestGate } from './connection/request-gate.ts'
import { PendingCredential } from './credential/pending-credential.ts'
import type { GuardedRequest } from './guarded-request.ts'
import { isDenial } from './is-denial.ts'
import { Principal } from './principal/principal.ts'
import type { Verdict } from './decision-outcomes.ts'

/** What the gate needs from the guard. */
export interface GateQuestions {
  /**
   * Decides a request by the rules. If verifying its credential has to wait, ask again afterwards. Returns a promise if
   * the authorizer has to be waited for.
   */
  readonly admit: (request: GuardedRequest, event: string) => Verdict | PendingCredential | Promise<Verdict>
  readonly answer: (denial: Denial, request: GuardedRequest) => DenialAnswer | undefined
  /** Called for each upgrade that is allowed. */
  readonly markUpgraded: (request: GuardedRequest) => void
  /** Called for each request that is allowed. Undefined if nothing depends on when the exchange ends. */
  readonly begin: ((exchange: AdmittedExchange) => void) | undefined
}

/** A request that the gate allowed, with what answers it: a response, or the socket of an upgrade. */
export interface AdmittedExchange {
  readonly event: string
  readonly request: IncomingMessage | Http2ServerRequest
  readonly response: unknown
  readonly principal: Principal | null
}

/**
 * Creates the gate of a server. It decides each request where Node emits it, before any hook, middleware or router, and
 * answers denied requests. This includes requests for which Node emits separate events (`upgrade`, `connect`,
 * `checkContinue`, `checkExpectation`), which no framework sees.
 */
export function createServerGate(questions: GateQuestions): RequestGate {
  return (event, request, response) => {
    if (!(request instanceof IncomingMessage) && !(request instanceof Http2ServerRequest)) {
      // Emitted by hand, so there is no request to decide and no general means to answer it.
      destroy(response)
      return false
    }
    const verdict = questions.admit(request, event)
    // Nearly every request is allowed here, without any allocation.
    const isPlain = questions.begin === undefined && event === 'request'
    if (isPlain && verdict instanceof Principal) return true
    if (isPending(verdict)) return waitFor(verdict, { event, request, response }, questions)
    return settle(verdict, { event, request, response }, questions)
  }
}

type Exchange = Omit<AdmittedExchange, 'principal'>

function settle(verdict: Verdict, exchange: Exchange, { answer, markUpgraded, begin }: GateQuestions): boolean {
  const { event, request, response } = exchange
  if (verdict !== null && isDenial(verdict)) {
    send(response, answer(verdict, request))
    return false
  }
  if (event === 'upgrade' || event === 'connect') markUpgraded(request)
  begin?.({ ...exchange, principal: verdict })
  return true
}

type Pending = PendingCredential | Promise<Verdict>

function isPending(verdict: Verdict | Pending): verdict is Pending {
  return verdict instanceof PendingCredential || verdict instanceof Promise
}

async function waitFor(pending: Pending, exchange: Exchange, questions: GateQuestions): Promise<boolean> {
  const { event, request, response } = exchange
  // Node no longer manages the socket of an upgrade, and nothing else does yet.
  const isOwned = response instanceof Duplex
  if (isOwned) response.on('error', ignoreError)
  let verdict: Verdict | Pending = pending
  while (isPending(verdict)) {
    const settled: Verdict | undefined = await (verdict instanceof Promise
      ? verdict
      : verdict.settled.then(() => undefined))
    // The caller gave up. There is nobody left to answer, and the handler must not start.
    if (hasClosed(exchange)) return false
    verdict = settled === undefined ? questions.admit(request, event) : settled
  }
  // After an answer, `send` still needs a listener.
  if (isOwned && (verdict === null || !isDenial(verdict))) response.off('error', ignoreError)
  return settle(verdict, exchange, questions)
}

function hasClosed({ response }: Exchange): boolean {
  if (response instanceof Http2ServerResponse) return response.stream.destroyed
  return (response instanceof ServerResponse || response instanceof Duplex) && response.destroyed
}

function ignoreError(): void {}

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
