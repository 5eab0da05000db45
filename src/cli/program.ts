import { resolve } from "node:path";
import { Command, CommanderError, Option } from "commander";
import { version } from "../lib/version.ts";
import { ExitCode } from "./exit-codes.ts";
import type { StatusOptions } from "./status.ts";
import type { WaitOptions } from "./wait.ts";

// Each command loads what it needs when it runs: a probe by command should take no longer than it must.
const commands = {
  start: async () => (await import("../supervisor/run.ts")).runGateway,
  stop: async () => (await import("./signal-commands.ts")).stopCommand,
  quit: async () => (await import("./signal-commands.ts")).quitCommand,
  reload: async () => (await import("./signal-commands.ts")).reloadCommand,
  test: async () => (await import("./test.ts")).testCommand,
  status: async () => (await import("./status.ts")).statusCommand,
  wait: async () => (await import("./wait.ts")).waitCommand,
  seed: async () => (await import("./seed.ts")).seedStore,
  export: async () => (await import("./export.ts")).exportCommand,
  import: async () => (await import("./import.ts")).importCommand,
  newPlugin: async () => (await import("./plugin-new.ts")).newPlugin,
};

interface PlaceOptions {
  readonly prefix: string;
  readonly config?: string;
}

/** Runs the command line; resolves with the exit code. */
export async function runCli(argv: readonly string[]): Promise<number> {
  let code: number = ExitCode.ok;
  const program = createProgram((result) => {
    code = result;
  });
  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  }
  return code;
}

function createProgram(finish: (code: number) => void): Command {
  const program = new Command("turnpike")
    .description("An API gateway, configuration-compatible with Apache APISIX, whose readiness can be trusted.")
    .version(version, "-v, --version", "print the version")
    .exitOverride()
    .showHelpAfterError("(turnpike --help shows the commands)");
  addLifecycle(program, finish);
  addQuestions(program, finish);
  addTransfer(program, finish);
  addPlugin(program, finish);
  program
    .command("version")
    .description("print the version")
    .action(() => console.log(`turnpike ${version}`));
  for (const command of program.commands.flatMap((one) => [one, ...one.commands])) command.exitOverride();
  return program;
}

function addLifecycle(program: Command, finish: (code: number) => void): void {
  command(program, "start", "run the gateway in the foreground", {
    after:
      "Signals: TERM, QUIT, INT drain and stop (a second one ends it at once); HUP reloads; USR1 opens the logs anew.",
    codes: "0 stopped, 1 refused to start (settings, or an address that is taken)",
  })
    .option("--seed <file>", "at the very first start, import this standalone file into the embedded store")
    .action(async (options: PlaceOptions & { seed?: string }) => {
      const { seed } = options;
      const seeded = seed === undefined || (await (await commands.seed())(place(options), seed));
      finish(seeded ? await (await commands.start())(place(options)) : ExitCode.failed);
    });
  command(program, "stop", "end the running gateway at once; requests in flight are cut", {
    codes: "0 ended, 1 it did not end, 3 it is not running",
  }).action(async (options: PlaceOptions) => finish(await (await commands.stop())(place(options))));
  command(program, "quit", "drain the running gateway, then end it", {
    codes: "0 ended, 1 it did not end, 3 it is not running",
  }).action(async (options: PlaceOptions) => finish(await (await commands.quit())(place(options))));
  command(program, "reload", "have the running gateway read config.yaml again and replace its workers one by one", {
    codes: "0 asked for, 1 config.yaml is wrong (nothing was changed), 3 it is not running",
  }).action(async (options: PlaceOptions) => finish((await commands.reload())(place(options))));
}

function addQuestions(program: Command, finish: (code: number) => void): void {
  command(program, "test", "check config.yaml and the standalone file; print every mistake with file, line and field", {
    codes: "0 no mistake (there may be warnings), 1 at least one",
  })
    .option("--standalone <file>", "check this standalone file (.yaml or .json) instead of the configured one")
    .action(async (options: PlaceOptions & { standalone?: string }) => {
      finish(await (await commands.test())(place(options), options.standalone));
    });
  command(program, "status", "show readiness, workers, configuration and what was rejected", {
    after: "With --watch until it is interrupted: a screen, plain lines where there is no terminal, or JSON lines.",
    codes: "0 ready, 1 not ready, 3 nothing answers",
  })
    .option("--url <url>", "the Status API, instead of the one in config.yaml")
    .option("-w, --watch", "go on, and show every change as it happens")
    .option("--json", "print JSON")
    .action(async (options: PlaceOptions & Omit<StatusOptions, "place">) =>
      finish(await (await commands.status())({ ...options, place: place(options) })),
    );
  command(program, "wait", "return when every worker is ready, or has applied a revision", {
    codes: "0 reached, 1 timed out, 2 a change up to the revision was rejected, 3 nothing answers",
  })
    .option("--ready", "wait for readiness (the default)")
    .option("--revision <number>", "wait until every worker has applied this revision or a later one")
    .option("--fleet", "wait for every node that follows the same etcd")
    .option("--timeout <duration>", "how long, as in 500ms, 30s, 2m", "30s")
    .option("--rejected <what>", "ignore: do not end with 2 when a change was rejected")
    .option("--json", "print JSON")
    .option("--url <url>", "the Status API, instead of the one in config.yaml")
    .action(async (options: PlaceOptions & Omit<WaitOptions, "place">) =>
      finish(await (await commands.wait())({ ...options, place: place(options) })),
    );
}

function addTransfer(program: Command, finish: (code: number) => void): void {
  command(program, "export", "write the configured store as a standalone YAML file; secrets are in clear text", {
    after: "The gateway may be running. A file is written whole or not at all, with mode 0600.",
    codes: "0 done, 1 failed, or something that is stored had to be left out",
  })
    .option("-o, --output <file>", "the file to write, instead of standard output")
    .action(async ({ output, ...options }: PlaceOptions & { output?: string }) => {
      const target = output === undefined ? {} : { output };
      finish(await (await commands.export())({ place: place(options), ...target }));
    });
  command(program, "import", "put a standalone file (.yaml or .json) into the configured store", {
    after:
      "All of the file is checked first. The gateway may be running and takes it over by itself.\n" +
      "Into the embedded store it goes as one change; into etcd one resource after another.",
    codes: "0 done, 1 the file is wrong or the store cannot be written",
  })
    .argument("<file>", "the standalone file")
    .addOption(new Option("--merge", "add and overwrite, delete nothing (the default)").conflicts("replace"))
    .option("--replace", "also delete what the file does not have")
    .option("--dry-run", "only say what would be done")
    .action(async (file: string, options: PlaceOptions & { replace?: true; dryRun?: true }) => {
      const mode = options.replace === true ? "replace" : "merge";
      finish(await (await commands.import())({ place: place(options), file, mode, dryRun: options.dryRun === true }));
    });
}

function addPlugin(program: Command, finish: (code: number) => void): void {
  const plugin = program.command("plugin").description("plugins of your own; docs/plugin-development.md tells how");
  command(plugin, "new", "make a plugin in TypeScript, with its test", {
    codes: "0 made, 1 not: the name or a file is taken",
  })
    .argument("<name>", "lower-case letters, digits and dashes")
    .option("--dir <dir>", "where to, instead of PREFIX/plugins")
    .action(async (name: string, options: PlaceOptions & { dir?: string }) => {
      const { prefix } = place(options);
      const dir = options.dir === undefined ? {} : { dir: options.dir };
      finish((await commands.newPlugin())({ name, prefix, ...dir }));
    });
}

/** A command with the options that all commands have, and its exit codes in the help. */
function command(
  program: Command,
  name: string,
  description: string,
  help: { readonly codes: string; readonly after?: string },
): Command {
  const after = help.after === undefined ? "" : `\n${help.after}\n`;
  return program
    .command(name)
    .description(description)
    .option("-p, --prefix <dir>", "the directory that holds conf/, logs/ and data/", ".")
    .option("-c, --config <file>", "config.yaml, instead of PREFIX/conf/config.yaml")
    .addHelpText("after", `${after}\nExit codes: ${help.codes}, 64 wrong usage.`);
}

function place(options: PlaceOptions): { prefix: string; configFile?: string } {
  const prefix = resolve(options.prefix);
  return options.config === undefined ? { prefix } : { prefix, configFile: resolve(options.config) };
}
