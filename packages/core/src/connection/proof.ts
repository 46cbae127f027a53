import type { X509Svid } from '@countersign/spiffe'
import type { X509Subject } from '@countersign/spiffe/internal'

/** What can be proved of a peer: one kind or the other, by the source that the guard was made with. */
export type Proof = X509Svid | X509Subject
