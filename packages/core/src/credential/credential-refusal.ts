import type { DenialReason } from '@countersign/authorization'

/** Why a credential that a request carries does not count. */
export interface CredentialRefusal {
  readonly reason: DenialReason
  /** For the log. Never contains a token or a certificate. */
  readonly detail: string
  /** The name that the credential claims, if it could be read. */
  readonly claimed?: string | undefined
}
