import { IncomingMessage, ServerResponse } from 'node:http'
import { constants, Http2ServerResponse } from 'node:http2'
import { Duplex } from 'node:stream'
import { SharedTimer } from './shared-timer.ts'
import { Sweep } from './sweep.ts'

/**
 * Until when the credential of a running exchange counts, in epoch milliseconds, or undefined if it no longer does. A
 * promise if that has to be verified first.
 */
export type ProvenUntil = number | undefined | Promise<number | undefined>

/** An exchange whose caller is not proven by the certificate of the connection. */
interface Exchange {
  /** What closes when it ends: the response, then a request that is still being received, or the socket of an upgrade. */
  part: unknown
  readonly findEnd: () => ProvenUntil
  cancel: () => void
}

/**
 * Ends the requests, streams and upgraded exchanges whose credential ends while they run. The connection itself stays
 * open, because it belongs to a proxy, or to a caller that may authenticate the next request; only HTTP/1 cannot end a
 * response that has begun without closing its connection.
 */
export class ExchangeExpiry {
  readonly #timer = new SharedTimer()
  readonly #running = new Set<Exchange>()
  readonly #sweep = new Sweep<Exchange>()

  /**
   * Watches an exchange until it closes. Ends it at `expiresAt` (epoch milliseconds), or when `endUnproved` finds that
   * its credential no longer counts. `findEnd` returns until when it does under the current material.
   */
  watch(response: unknown, expiresAt: number, findEnd: () => ProvenUntil): void {
    const stream = streamOf(response)
    if (stream === undefined || stream.destroyed) return
    const exchange: Exchange = { part: response, findEnd, cancel: () => undefined }
    this.#running.add(exchange)
    this.#endAt(exchange, expiresAt)
    stream.once('close', () => this.#watchRest(exchange))
  }

  // A handler of HTTP/1 may answer early and keep reading.
  #watchRest(exchange: Exchange): void {
    const request: unknown = exchange.part instanceof ServerResponse ? exchange.part.req : undefined
    if (!(request instanceof IncomingMessage) || request.complete || request.destroyed) this.#forget(exchange)
    // It ended when the response was complete and no longer had the socket.
    else if (!this.#running.has(exchange)) request.destroy()
    else {
      exchange.part = request
      request.once('close', () => this.#forget(exchange))
    }
  }

  /**
   * Ends the exchanges whose credential no longer counts, and gives the others the end that they have now. Call it after
   * a change of material. Many are visited in turns, so that requests are answered in between: each forwarded
   * certificate is verified again.
   */
  endUnproved(): void {
    this.#sweep.start(this.#running.values(), (exchange) => {
      const end = askEnd(exchange)
      if (end instanceof Promise) void end.catch(() => undefined).then((settled) => this.#endAt(exchange, settled))
      else this.#endAt(exchange, end)
    })
  }

  #endAt(exchange: Exchange, end: number | undefined): void {
    // It may have closed while its credential was verified.
    if (!this.#running.has(exchange)) return
    exchange.cancel()
    if (end === undefined || Date.now() >= end) this.#end(exchange)
    else exchange.cancel = this.#timer.callAt(end, () => this.#end(exchange))
  }

  #end(exchange: Exchange): void {
    this.#forget(exchange)
    endExchange(exchange.part)
  }

  #forget(exchange: Exchange): void {
    exchange.cancel()
    this.#running.delete(exchange)
  }
}

// Nothing above a sweep catches exceptions, so one would end the process.
function askEnd(exchange: Exchange): ProvenUntil {
  try {
    return exchange.findEnd()
  } catch {
    return undefined
  }
}

function streamOf(response: unknown): ServerResponse | Http2ServerResponse['stream'] | Duplex | undefined {
  if (response instanceof Http2ServerResponse) return response.stream
  return response instanceof ServerResponse || response instanceof Duplex ? response : undefined
}

function endExchange(part: unknown): void {
  // On HTTP/2, `destroy` would signal success, and a truncated response would look complete.
  if (part instanceof Http2ServerResponse) part.stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  else if (part instanceof ServerResponse || part instanceof Duplex || part instanceof IncomingMessage) part.destroy()
}
