/** How the command ended, for scripts. */
export const exitCodes = {
  /** All went well, or a command that stays was asked to end. */
  ok: 0,
  /** The agent gives nothing usable, or the socket cannot be listened on. */
  failed: 1,
  /** The command line, or the environment, asks for what cannot be meant. */
  usage: 2,
} as const
