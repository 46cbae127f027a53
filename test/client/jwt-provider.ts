import type { JwtSvidProvider } from '@countersign/client'
import type { Authority } from '@countersign/testkit'

/** Issues tokens for five minutes, and counts the requests. */
export class Provider implements JwtSvidProvider {
  readonly #authority: Authority
  readonly #spiffeId: string
  readonly requests: Parameters<JwtSvidProvider['fetchJwtSvid']>[0][] = []
  error: Error | undefined
  #gate = Promise.resolve()
  #open: () => void = () => undefined

  /** Issues tokens for this SPIFFE ID if a request names none. */
  constructor(authority: Authority, spiffeId: string) {
    this.#authority = authority
    this.#spiffeId = spiffeId
  }

  async fetchJwtSvid(request: Parameters<JwtSvidProvider['fetchJwtSvid']>[0]): Promise<{
    readonly token: string
    readonly expiresAt: number
  }> {
    this.requests.push(request)
    const { spiffeId = this.#spiffeId, audience } = request
    const { token, expiresAt } = this.#authority.issueJwt(spiffeId, { audience })
    await this.#gate
    if (this.error !== undefined) throw this.error
    return { token, expiresAt }
  }

  hold(): void {
    this.#gate = new Promise((resolve) => {
      this.#open = resolve
    })
  }

  /** Lets the requests continue, and waits until their tokens are kept. */
  async release(): Promise<void> {
    this.#open()
    await new Promise((resolve) => setImmediate(resolve))
  }
}
