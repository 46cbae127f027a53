import type { X509Svid } from '@countersign/spiffe'
import type { X509Subject } from '@countersign/spiffe/internal'

/** The proof of a peer: an SVID or a subject, depending on the guard's source. */
export type Proof = X509Svid | X509Subject
