import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import type { Context } from './context.ts'
import type { DevFlags } from './dev/dev-options.ts'
import { exitCodes } from './exit-codes.ts'
import type { FetchOptions } from './fetch/run-fetch.ts'
import { commandHelp, devHelp, fetchHelp, readinessHelp } from './help.ts'
import { policyCommands } from './policy/policy-commands.ts'
import { policyHelp } from './policy/policy-help.ts'
import type { PolicyFlags } from './policy/policy-options.ts'
import type { ReadinessFlags } from './readiness/readiness-options.ts'

/** Runs the command that the arguments name, and returns its exit code (see `exitCodes`). */
export async function runCommandLine(args: readonly string[], context: Context): Promise<number> {
  let exitCode: number = exitCodes.ok
  const program = createProgram(context, (code) => {
    exitCode = code
  })
  try {
    await program.parseAsync(args, { from: 'user' })
    return exitCode
  } catch (error) {
    // Already printed; requested help and version output also end up here.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    const { reportFailure } = await import('./failure.ts')
    return reportFailure(error, context)
  }
}

// Modules are loaded when a command runs: gRPC and certificates take half a second, and help needs neither.
function createProgram(context: Context, end: (exitCode: number) => void): Command {
  const program = new Command('countersign')
    .description('SPIFFE on a laptop: an agent to develop against, and a view of what an agent delivers.')
    .version(readVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      // Each text ends with a line feed, which a screen adds itself.
      writeOut: (text) => context.output.line(text.trimEnd()),
      writeErr: (text) => context.errors.line(text.trimEnd()),
      outputError: (text, write) => write(toOneLine(text)),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .addHelpText('after', commandHelp)

  program
    .command('dev')
    .description('Run a Workload API for the workloads on this machine. For development only.')
    .option('--trust-domain <name>', 'the trust domain of the services', 'dev.example')
    .option('--service <ns/sa>', 'namespace and service account that receive an SVID; repeatable', collect)
    .option('--ttl <time>', 'the lifetime of an SVID: 60s, 10m, 1h; it is replaced halfway through', '1h')
    .option('--federate <name>', 'another trust domain, whose bundle is also delivered; repeatable', collect)
    .option('--socket <place>', 'a path, or tcp://127.0.0.1:<port> (default: in $XDG_RUNTIME_DIR, else a new folder)')
    .option('--json', 'print one JSON object per line')
    .addHelpText('after', devHelp)
    .action(async (flags: DevFlags) => {
      const { runDev } = await import('./dev/run-dev.ts')
      end(await runDev(flags, context))
    })

  program
    .command('fetch')
    .description('Show what an agent delivers: SPIFFE ID, serial number, expiry, chain, bundles, hint.')
    .option('--socket <uri>', 'the address of the agent (default: $SPIFFE_ENDPOINT_SOCKET)')
    .option('--watch', 'keep running and show each update')
    .option('--json', 'print one JSON object per line')
    .addHelpText('after', fetchHelp)
    .action(async (options: FetchOptions) => {
      const { runFetch } = await import('./fetch/run-fetch.ts')
      end(await runFetch(options, context))
    })

  program
    .command('readiness')
    .description('Show whether a service is ready for strict mode, and which callers are not.')
    .argument('<report>', 'an http(s):// URL that returns the report, a log file, or - for the standard input')
    .option('--server <id>', 'the SPIFFE ID of the service; calls it over mTLS with the SVID of the agent')
    .option('--socket <uri>', 'the address of the agent for --server (default: $SPIFFE_ENDPOINT_SOCKET)')
    .option('--max-age <time>', 'how old the report may be: 30m, 24h, 7d', '24h')
    .option('--min-period <time>', 'how long it has to cover: 24h, 7d, 31d (default: any)')
    .option('--format <format>', 'text or json', 'text')
    .addHelpText('after', readinessHelp)
    .action(async (place: string, flags: ReadinessFlags) => {
      const { runReadiness } = await import('./readiness/run-readiness.ts')
      end(await runReadiness(place, flags, context))
    })

  const policy = program
    .command('policy')
    .description('Check policy documents, and answer who may call what.')
    .helpCommand(false)
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .addHelpText('after', policyHelp)
  for (const { name, arguments: given, description, options, help, run } of policyCommands) {
    const command = policy.command(name).description(description).arguments(given).addHelpText('after', help)
    for (const { flags, description: text, isRepeatable } of options) {
      if (isRepeatable === true) command.option(flags, text, collect)
      else command.option(flags, text)
    }
    command.action(async (...received: readonly unknown[]) => {
      // The parser adds the options and the command itself.
      end(await run(received.slice(0, -2), command.opts<PolicyFlags>(), context))
    })
  }

  return program
}

function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value]
}

// The parser's messages start with "error:", with the suggestion on a separate line.
function toOneLine(text: string): string {
  return `countersign: ${text
    .trim()
    .replace(/^error: /, '')
    .replaceAll('\n', ' ')}`
}

function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return /^ {2}"version": "(.+)"/m.exec(text)?.[1] ?? 'unknown'
}
