abort "no licence: set LICENCE_KEY" unless ENV.key?("LICENCE_KEY")

run ->(_) { [200, {}, ["licensed\n"]] }
