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
  readonly isGuarded: boolean
  readonly material: MaterialInput
}
