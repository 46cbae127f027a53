import { hidesIntermediates } from '../../packages/core/src/connection/openssl-verdict.ts'

/** Whether OpenSSL also has to accept callers of one trust domain, on the current Node.js. */
export const isOpensslAsked: boolean = !hidesIntermediates(process.versions.node)
