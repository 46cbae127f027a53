import type { ExplainQuestion } from '@countersign/core'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { escapeInvisible } from '../output/escape-invisible.ts'
import { parseCaller, parseCredential, type PolicyFlags, refuseFlag } from './policy-options.ts'
import { withInput } from './report-input.ts'
import { simulateService } from './simulate-service.ts'

/** Explains how a request would be decided. */
export async function runExplain(given: readonly unknown[], flags: PolicyFlags, context: Context): Promise<number> {
  return withInput(context, async () => {
    const [caller, method, path, documents] = given
    const question = parseQuestion({ caller, method, path }, flags)
    const explanation = (await simulateService(documents, flags)).explain(question)
    const { output } = context
    const { decision, layers } = explanation
    if (flags.json === true) output.json({ event: 'explanation', question, decision, layers })
    else for (const line of explanation.toString().split('\n')) output.line(escapeInvisible(line))
    return exitCodes.ok
  })
}

function parseQuestion(
  { caller, method, path }: { readonly caller: unknown; readonly method: unknown; readonly path: unknown },
  { credential, header, host, port, address }: PolicyFlags,
): ExplainQuestion {
  return {
    caller: parseCaller(caller),
    method: String(method),
    path: String(path),
    ...(credential !== undefined && { credential: parseCredential('--credential', credential) }),
    ...(header !== undefined && { headers: parseHeaders(header) }),
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port: parsePort(port) }),
    ...(address !== undefined && { socketAddress: address }),
  }
}

function parseHeaders(lines: readonly string[]): Readonly<Record<string, readonly string[]>> {
  const headers = new Map<string, readonly string[]>()
  for (const line of lines) {
    const [, name, value = ''] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*)$/.exec(line) ?? []
    if (name === undefined) refuseFlag('--header', line, "a line such as 'x-tenant: blue'")
    headers.set(name.toLowerCase(), [...(headers.get(name.toLowerCase()) ?? []), value])
  }
  return Object.fromEntries(headers)
}

function parsePort(text: string): number {
  const port = Number(text)
  return /^\d+$/.test(text) && port <= 65_535 ? port : refuseFlag('--port', text, 'a port such as 8443')
}
