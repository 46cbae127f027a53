import { hidesIntermediates } from '../../packages/core/src/connection/openssl-verdict.ts'

/** Whether OpenSSL has to accept callers of one trust domain, too, on the Node.js that runs the tests. */
export const isOpensslAsked: boolean = !hidesIntermediates(process.versions.node)
