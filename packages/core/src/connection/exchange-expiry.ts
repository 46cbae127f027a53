import { ServerResponse } from 'node:http'
import { constants, Http2ServerResponse } from 'node:http2'
import { Duplex } from 'node:stream'
import { SharedTimer } from './shared-timer.ts'

/** An exchange whose caller is not proven by the certificate of the connection. */
interface Exchange {
  readonly mayContinue: () => boolean | Promise<boolean>
  readonly end: () => void
  readonly cancel: () => void
}

/**
 * Ends the requests, streams and upgraded exchanges whose credential ends while they run. The connection itself stays
 * open, because it belongs to a proxy, or to a caller that may authenticate the next request; only HTTP/1 cannot end a
 * response that has begun without closing its connection.
 */
export class ExchangeExpiry {
  readonly #timer = new SharedTimer()
  readonly #running = new Set<Exchange>()

  /**
   * Watches an exchange until it closes. Ends it at `expiresAt` (epoch milliseconds), or when `endUnproved` finds that
   * its credential no longer counts.
   */
  watch(response: unknown, expiresAt: number, mayContinue: () => boolean | Promise<boolean>): void {
    const stream = streamOf(response)
    if (stream === undefined || stream.destroyed) return
    const exchange: Exchange = {
      mayContinue,
      end: () => {
        this.#forget(exchange)
        endExchange(response)
      },
      cancel: this.#timer.callAt(expiresAt, () => exchange.end()),
    }
    this.#running.add(exchange)
    stream.once('close', () => this.#forget(exchange))
  }

  /** Ends the exchanges whose credential no longer counts. Call it after a change of material. */
  endUnproved(): void {
    for (const exchange of this.#running) this.#check(exchange)
  }

  #check(exchange: Exchange): void {
    const verdict = exchange.mayContinue()
    if (verdict === false) exchange.end()
    else if (verdict !== true) {
      void verdict.then((mayContinue) => {
        // It may have ended in the meantime.
        if (!mayContinue && this.#running.has(exchange)) exchange.end()
      })
    }
  }

  #forget(exchange: Exchange): void {
    exchange.cancel()
    this.#running.delete(exchange)
  }
}

function streamOf(response: unknown): ServerResponse | Http2ServerResponse['stream'] | Duplex | undefined {
  if (response instanceof Http2ServerResponse) return response.stream
  return response instanceof ServerResponse || response instanceof Duplex ? response : undefined
}

function endExchange(response: unknown): void {
  // On HTTP/2, `destroy` would signal success, and a truncated response would look complete.
  if (response instanceof Http2ServerResponse) response.stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  else if (response instanceof ServerResponse || response instanceof Duplex) response.destroy()
}
