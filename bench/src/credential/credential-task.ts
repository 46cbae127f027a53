/** A measurement task for a process of the credential suite. */
export interface CredentialTask {
  /** `seen`: the same credential again and again. `unseen`: another one for each call. */
  readonly kind: 'seen' | 'unseen'
  readonly rounds: number
}
