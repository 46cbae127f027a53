import type { MaterialInput } from '@countersign/core'
import type { KeyType } from '@countersign/testkit'

/** The properties of the certificates of a comparison. */
export interface HandshakeCase {
  readonly title: string
  readonly keyType: KeyType
  readonly hasIntermediate: boolean
  readonly trustDomains: number
}

/** The first message to a server process. */
export interface HandshakeTask {
  /**
   * What is done for each connection:
   *
   * - `nothing`
   * - `address`: the peer's address is read
   * - `session`: the TLS session is serialized, in which the certificate of a known peer is found
   * - `everything`: the guard is attached
   */
  readonly part: 'nothing' | 'address' | 'session' | 'everything'
  readonly material: MaterialInput
}
