# Calls STS all the time with the AWS SDK for Ruby and the credentials that it finds by itself.
# Prints a line of JSON for each call.
require "json"
require "aws-sdk-core"

def say(line)
  puts JSON.generate(line)
  $stdout.flush
end

say(sdk: "#{Aws::CORE_GEM_VERSION} (aws-sdk-core)")
pause = Integer(ENV.fetch("CALL_EVERY_MS")) / 1000.0
sts = Aws::STS::Client.new
loop do
  begin
    sts.get_caller_identity
    say(ok: true)
  rescue Aws::STS::Errors::ServiceError => error
    say(ok: false, code: error.code)
  rescue StandardError => error
    warn error.message
    say(ok: false, code: error.class.name)
  end
  sleep pause
end
